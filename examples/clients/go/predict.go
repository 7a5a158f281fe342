// A client of the REST API with Go's standard library only.
//
//	go run predict.go http://localhost:8501 half_plus_two '[1.0, 2.0, 5.0]'
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// PredictError is what a server refused.
type PredictError struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Hint    string `json:"hint"` // from Servable: what to do about it
}

func (e *PredictError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\nhint: " + e.Hint
}

// Predict runs a model. Inputs are nested lists for a model with one input, otherwise a map from
// alias to nested lists. The answer is the one output, or an object with every output, as JSON.
func Predict(ctx context.Context, server, model string, inputs any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"inputs": inputs})
	if err != nil {
		return nil, err
	}
	address := server + "/v1/models/" + url.PathEscape(model) + ":predict"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		refused := &PredictError{Status: response.StatusCode}
		if json.Unmarshal(content, refused) != nil || refused.Message == "" {
			refused.Message = response.Status
		}
		return nil, refused
	}
	var answer struct {
		Outputs json.RawMessage `json:"outputs"`
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return nil, fmt.Errorf("the answer is not JSON (it may hold NaN or Infinity): %w", err)
	}
	return answer.Outputs, nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: predict SERVER MODEL INPUTS")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	outputs, err := Predict(ctx, os.Args[1], os.Args[2], json.RawMessage(os.Args[3]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, outputs); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Println(compact.String())
}

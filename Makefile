# Verbs for people; scripts/dev does the work and the set-up. Extra arguments: make demo ARGS=--check
.PHONY: help demo test check format parity record bench lock clean

help:
	@sh scripts/dev help

demo test check format parity record bench lock clean:
	@sh scripts/dev $@ $(ARGS)

"""Names that ops once had and that old graphs still use."""

from __future__ import annotations

from servable.ops import diagonal, linalg, triangular
from servable.ops.registry import op

op("BatchCholesky")(linalg.cholesky)
op("BatchMatrixDeterminant")(linalg.matrix_determinant)
op("BatchMatrixInverse", attrs="adjoint")(linalg.matrix_inverse)
op("BatchMatrixSolve", attrs="adjoint")(linalg.matrix_solve)
op("BatchMatrixSolveLs", attrs="fast")(linalg.matrix_solve_ls)
op("BatchSelfAdjointEigV2", attrs="compute_v")(linalg.self_adjoint_eig)
op("BatchSvd", attrs="compute_uv full_matrices")(linalg.svd)
op("BatchMatrixBandPart")(diagonal.matrix_band_part)
op("BatchMatrixDiag")(diagonal.matrix_diag)
op("BatchMatrixDiagPart")(diagonal.matrix_diag_part)
op("BatchMatrixSetDiag")(diagonal.matrix_set_diag)
op("BatchMatrixTriangularSolve", attrs="lower adjoint")(triangular.matrix_triangular_solve)

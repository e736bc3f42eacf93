"""Ridge regression for many labels and penalties from one decomposition of a training fold.

With Z = U S V' (centred inputs), the fitted values under penalty a are U diag(s2 / (s2 + a)) U'y:
one symmetric eigenproblem of size min(n, p) serves every label and penalty. So does the choice of
the penalty, since for a fixed penalty the residuals of a part g that is left out follow from the
fit to all parts, (I - H_gg)^-1 (y - Hy)_g (Cook and Weisberg 1982; as RidgeCV does for parts of
one row).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

# Of either precision.
Array = NDArray[Any]


@dataclass(frozen=True)
class Decomposition:
    """Singular value decomposition of centred training inputs (n, p), rank r.

    Attributes
    ----------
    inputs : array of shape (n, p)
        Z.
    left : array of shape (n, r)
        U, an orthonormal column per direction.
    squared : array of shape (r,)
        Squared singular values, largest first.
    """

    inputs: Array
    left: Array
    squared: Array

    def right(self, count: int) -> Array:
        """Compute the first columns of V, an array of shape (p, count), or (p, r) if r is less."""
        return np.asarray(self.inputs.T @ self.left[:, :count] / np.sqrt(self.squared[:count]))


def decompose(inputs: Array) -> Decomposition:
    """Decompose training inputs by the smaller of their two Gram matrices.

    Parameters
    ----------
    inputs : array of shape (n, p)
        Columns of mean zero.
    """
    rows, columns = inputs.shape
    gram = inputs @ inputs.T if rows < columns else inputs.T @ inputs
    squared, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
    # Below this the eigenvectors of a Gram matrix are rounding noise.
    noise = max(1e-12, 10 * float(np.finfo(gram.dtype).eps))
    kept = np.flatnonzero(squared > noise * max(squared[-1], np.finfo(float).tiny))[::-1]
    squared, vectors = squared[kept], vectors[:, kept]
    if rows < columns:
        return Decomposition(inputs, vectors, squared)
    return Decomposition(inputs, inputs @ vectors / np.sqrt(squared), squared)


def left_out_residuals(
    parts_of: Decomposition, labels: Array, parts: NDArray[np.int64], penalties: Array | float
) -> Array:
    """Label less prediction of each training row, predicted without the rows of its part.

    Parameters
    ----------
    parts_of : Decomposition
        Of the training inputs.
    labels : array of shape (n, T)
        Labels of the training rows.
    parts : int array of shape (n,)
        Which rows are left out together.
    penalties : float or array of shape (T,)
        Of the squared coefficients; the intercept is free.

    Returns
    -------
    array of shape (n, T)
    """
    left, squared = parts_of.left, parts_of.squared
    centred = (labels - labels.mean(axis=0)).astype(left.dtype)
    projected = left.T @ centred
    rows_of_parts = [np.flatnonzero(parts == part) for part in np.unique(parts)]
    left_of_parts = [left[rows] for rows in rows_of_parts]
    asked = np.broadcast_to(penalties, labels.shape[1:])
    left_out: Array = np.empty(labels.shape)
    multiply = scipy.linalg.blas.get_blas_funcs("syrk", (left,))
    for penalty in np.unique(asked):
        same = asked == penalty
        shrink = squared / (squared + float(penalty))
        for rows, own in zip(rows_of_parts, left_of_parts, strict=True):
            residual = centred[np.ix_(rows, same)] - own @ (shrink[:, None] * projected[:, same])
            # I - H of the part, of which symmetry asks for the lower half only.
            kept = np.eye(len(own), dtype=left.dtype, order="F") - left.dtype.type(1 / len(labels))
            kept = multiply(-1, (own * np.sqrt(shrink)).T, beta=1, c=kept, trans=1, lower=1)
            left_out[np.ix_(rows, same)] = scipy.linalg.solve(
                kept, residual, lower=True, assume_a="pos", check_finite=False
            )
    return left_out


def choose_penalties(
    parts_of: Decomposition, labels: Array, parts: NDArray[np.int64], penalties: Array
) -> Array:
    """Choose, for each label, the penalty that predicts best what it was not fitted to.

    Parameters
    ----------
    penalties : array of shape (A,)
        Those to choose from, strongest first: it wins a tie.

    Returns
    -------
    array of shape (T,)
    """
    errors = [
        (left_out_residuals(parts_of, labels, parts, penalty) ** 2).sum(axis=0)
        for penalty in penalties
    ]
    return np.asarray(penalties[np.argmin(errors, axis=0)])


def coefficients(fitted_to: Decomposition, labels: Array, penalties: Array) -> Array:
    """Coefficients (p, T) of ridge, a penalty (T,) per label; the intercept is the labels' mean."""
    left = fitted_to.left
    projected = left.T @ (labels - labels.mean(axis=0)).astype(left.dtype)
    # V S / (s2 + a) U'y, without V: inputs are Z = U S V'.
    return np.asarray(
        fitted_to.inputs.T
        @ (left @ (projected / (fitted_to.squared[:, None] + penalties.astype(left.dtype))))
    )

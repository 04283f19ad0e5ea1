"""Processes that begin anew after random waits: drawing them all at once, and their exact averages.

A wait may be a rest before a jump (continuous-time random walk), a straight flight (Lévy walk, run and
tumble) or a spell at one diffusion coefficient (annealed transient time).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# durations (len(rows), count) of the next waits of some rows
Waits = Callable[[Array, int], Array]

_ROWS = 512  # drawn at a time, so that memory does not grow with their number
_FEW, _MANY = 16, 64  # waits drawn at first, and later on
_NODES = 12  # of a Gauss-Legendre rule in every unit of time
_LONGEST = 700.0  # log of the longest wait: beyond all steps, and still a number


def pareto_waits(rng: np.random.Generator, exponent: Array) -> Waits:
    """Waits of at least one step with P(wait > t) = t^-exponent, for the exponents (n,) of all rows."""

    def waits(rows: Array, count: int) -> Array:
        drawn = rng.standard_exponential((len(rows), count))
        drawn /= exponent[rows, None]
        return np.asarray(np.exp(np.minimum(drawn, _LONGEST)))

    return waits


def exponential_waits(rng: np.random.Generator, rate: Array) -> Waits:
    """Waits with P(wait > t) = exp(-rate t), for the rates (n,) of all rows."""

    def waits(rows: Array, count: int) -> Array:
        return np.asarray(rng.standard_exponential((len(rows), count)) / rate[rows, None])

    return waits


def renewal_sums(waits: Waits, sizes: Callable[[Array], Array], n: int, steps: int) -> Array:
    """Displacements (n, steps), float32, of paths that rest for every wait, and jump when it ends.

    The first wait begins at time 0. `sizes(rows)` gives the lengths (m,) of m jumps: of which rows.
    """
    out = np.zeros((n, steps), dtype=np.float32)
    for rows in _blocks(n):
        row, _, begin, duration = _spells(waits, rows, steps)
        end = begin + duration
        jumps = end < steps
        row = rows[row[jumps]]
        np.add.at(out.reshape(-1), row * steps + end[jumps].astype(int), sizes(row).astype(np.float32))
    return out


def straight_flights(waits: Waits, rate: Callable[[Array, Array, Array], Array], n: int, steps: int) -> Array:
    """Displacements (n, steps), float32, of paths that are straight for the length of every wait.

    `rate(rows, number, duration)` gives the slopes (m,) of m flights: of which rows, the how many-th of its
    row each is (from 0), and how long it lasts.
    """
    out = np.empty((n, steps), dtype=np.float32)
    for rows in _blocks(n):
        row, number, begin, duration = _spells(waits, rows, steps)
        slope = rate(rows[row], number, duration)
        end, whole = begin + duration, np.ceil(begin)
        # each step first as if the flight that goes on at its begin lasted to its end
        upto = np.minimum(np.ceil(end), steps)
        drawn = np.repeat(slope, (upto - np.minimum(whole, upto)).astype(int))
        start = row * steps
        # then less what comes after that flight's end, and with all that begins later
        late = (end > whole) & (end < steps)
        np.subtract.at(drawn, (start + upto.astype(int) - 1)[late], ((upto - end) * slope)[late])
        part = begin < whole
        np.add.at(
            drawn,
            (start + whole.astype(int) - 1)[part],
            ((np.minimum(end, whole) - begin) * slope)[part],
        )
        out[rows] = drawn.reshape(-1, steps)
    return out


def renewal_mean(exponent: Array, first: Callable[[float, Array], Array], t: Array) -> Array:
    """The mean R (n, len(t)) at times t >= 0 of what begins anew after Pareto waits.

    `exponent` (n,) is theirs; `first(exponent, t)` is the mean at times t of what comes until the first wait
    ends, and with its end. R solves the renewal equation (Feller, vol. 2, ch. XI)
    R(t) = first(t) + int_1^t R(t - w) f(w) dw, f(w) = exponent w^(-1 - exponent).
    """
    t = np.asarray(t, dtype=float)
    kinds, kind = np.unique(exponent, return_inverse=True)
    found = [_solved(float(value), first, t) for value in kinds]
    return np.stack(found)[kind.ravel()] if found else np.empty((0, len(t)))


def _solved(exponent: float, first: Callable[[float, Array], Array], t: Array) -> Array:
    """R (len(t),) from its values at the nodes of every unit of time: between whole times it is smooth."""
    units = max(1, int(np.ceil(t.max(initial=0.0))))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    times = np.arange(units)[:, None] + nodes
    values = _unfolded(_kernel(exponent, nodes, weights, units), first(exponent, times))
    unit = np.clip(t.astype(int), 0, units - 1)
    found = np.einsum("tj,tj->t", _through(nodes, t - unit), values[unit])
    return np.where(t <= 1, first(exponent, t), found)  # no wait ends before time 1


def _kernel(exponent: float, nodes: Array, weights: Array, units: int) -> Array:
    """What R at the nodes of a unit adds to R at those d = 0, 1, ... units later: (units, nodes, nodes)."""

    def density(wait: Array) -> Array:
        return np.asarray(exponent * wait ** (-1 - exponent))

    apart = np.subtract.outer(nodes, nodes)
    kernel = np.zeros((units, len(nodes), len(nodes)))
    kernel[2:] = weights * density(np.arange(2, units)[:, None, None] + apart)
    if units > 1:  # only the part of the unit before that is at least a wait away
        inner = np.multiply.outer(nodes, nodes)
        measure = nodes[:, None] * weights * density(1 + nodes[:, None] - inner)
        basis = _through(nodes, inner.ravel()).reshape(*inner.shape, -1)
        kernel[1] = np.einsum("iq,iqj->ij", measure, basis)
    return kernel


def _through(nodes: Array, x: Array) -> Array:
    """The weights (len(x), nodes) that read the polynomial through values at the nodes at x in [0, 1]."""
    degree = len(nodes) - 1
    legendre = np.polynomial.legendre.legvander
    return np.asarray(legendre(2 * x - 1, degree) @ np.linalg.inv(legendre(2 * nodes - 1, degree)))


def _unfolded(kernel: Array, start: Array) -> Array:
    """r (units, nodes) with r[n] = start[n] + sum over d of kernel[d] @ r[n - d].

    By Fourier transform on a circle that is a little smaller than the unit circle: what wraps around has
    decayed by 1e-15.
    """
    units = len(start)
    period = 1 << (4 * units - 1).bit_length()
    damping = np.exp(np.log(1e-15) / period * np.arange(units))
    transformed = np.fft.rfft(kernel * damping[:, None, None], period, axis=0)
    right = np.fft.rfft(start * damping[:, None], period, axis=0)[..., None]
    solved = np.linalg.solve(np.eye(start.shape[1]) - transformed, right)[..., 0]
    return np.asarray(np.fft.irfft(solved, period, axis=0)[:units] / damping[:, None])


def _blocks(n: int) -> Iterator[Array]:
    for start in range(0, n, _ROWS):
        yield np.arange(start, min(start + _ROWS, n))


def _spells(waits: Waits, rows: Array, steps: int) -> tuple[Array, Array, Array, Array]:
    """All waits of a block of rows that begin within the steps, row by row.

    Arrays (m,): the row's place in the block, the wait's number in its row, its begin and its duration.
    """
    place, now, number, count, found = np.arange(len(rows), dtype=np.int16), np.zeros(len(rows)), 0, _FEW, []
    while len(place):
        duration = waits(rows[place], count)
        end = np.cumsum(duration, axis=1) + now[:, None]
        begin = np.concatenate([now[:, None], end[:, :-1]], axis=1)
        inside = begin < steps
        numbers = np.broadcast_to(np.arange(number, number + count, dtype=np.int32), inside.shape)
        row = np.repeat(place, inside.sum(axis=1))
        found.append((row, numbers[inside], begin[inside], duration[inside]))
        going = end[:, -1] < steps
        place, now, number, count = place[going], end[going, -1], number + count, min(2 * count, _MANY)
    row, numbers, begin, duration = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(row, kind="stable")
    return row[order].astype(np.intp), numbers[order], begin[order], duration[order]

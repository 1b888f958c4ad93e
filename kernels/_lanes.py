"""Short vectors of whole numbers that stay in registers.

The compiler makes vectors of a loop over an array, but reads and writes the array in each pass.
Where many rows are merged into one, what is merged should stay in registers until all rows are
done. So a kernel may load, add, compare and store *lanes*: ``WIDTH`` numbers at once. They are
vectors of LLVM, which makes of them what the machine has: for int16 one register with AVX-512, two
with AVX2, four with NEON or SSE. Indices are neither checked nor counted from the end.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator"
# ruff: noqa: ARG001  # numba hands all lowerings the same four arguments

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import lower_builtin, register_model, type_callable

Lanes = npt.NDArray[Any]

WIDTH = 32
"""Numbers in lanes."""


def load(array: Lanes, at: int) -> Lanes:
    """Return the ``WIDTH`` elements of a contiguous array from index ``at`` on."""
    return array[at : at + WIDTH].copy()


def store(array: Lanes, at: int, lanes: Lanes) -> None:
    """Write lanes to a contiguous array, from index ``at`` on."""
    array[at : at + WIDTH] = lanes


def spread(array: Lanes, value: int) -> Lanes:
    """Return lanes of an array's type that all hold one value."""
    return np.full(WIDTH, value, array.dtype)


def least(a: Lanes, b: Lanes) -> Lanes:
    """Return the lesser number in each lane."""
    return np.minimum(a, b)


def add(a: Lanes, b: Lanes) -> Lanes:
    """Return the sums, lane by lane; int16 saturate, int32 wrap."""
    if a.dtype == np.int16:
        return np.clip(a.astype(np.int32) + b, -32768, 32767).astype(np.int16)
    return a + b


def lowest(a: Lanes) -> int:
    """Return the least number of all lanes."""
    return int(a.min())


def add_products(sums: Lanes, weights: Lanes, at: int, values: Lanes, place: int) -> Lanes:
    """Add the products of a pair of values with a pair of weights for each lane.

    This is what x86 has an instruction for (two, without VNNI), with twice the products of one that
    multiplies numbers of 32 bits.

    Args:
        sums: int32 lanes; sums beyond int32 wrap.
        weights: int16 array; from ``at`` on the two of the first lane, the two of the second, ...
        at: index.
        values: int16 array, contiguous as the weights; the pair from ``place`` on.
        place: index.
    """
    pairs = weights[at : at + 2 * WIDTH].reshape(WIDTH, 2).astype(np.int32)
    return sums + pairs @ values[place : place + 2].astype(np.int32)


class _LanesType(types.Type):
    """numba's type of lanes."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(name=f"Lanes({dtype})")
        self.dtype = dtype


@register_model(_LanesType)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager: Any, lanes: _LanesType) -> None:
        super().__init__(manager, lanes, ir.VectorType(ir.IntType(lanes.dtype.bitwidth), WIDTH))


@type_callable(load)
@type_callable(spread)
def _type_made(context: Any) -> Any:
    return lambda array, _: _LanesType(array.dtype)


@type_callable(store)
def _type_stored(context: Any) -> Any:
    return lambda array, at, lanes: types.none  # noqa: ARG005  # numba compares the names


@type_callable(least)
@type_callable(add)
def _type_merged(context: Any) -> Any:
    return lambda a, _: a


@type_callable(lowest)
def _type_lowest(context: Any) -> Any:
    return lambda _: types.int64


@type_callable(add_products)
def _type_added(context: Any) -> Any:
    return lambda sums, weights, at, values, place: sums  # noqa: ARG005


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return a pointer to the lanes that begin at one element of an array."""
    lanes = context.get_value_type(_LanesType(signature.args[0].dtype))
    return _pointer_to(lanes, context, builder, signature.args[0], args[:2])


def _pointer_to(lanes: Any, context: Any, builder: Any, array_type: Any, args: Any) -> Any:
    """Return a pointer to what begins at one element of an array."""
    data = context.make_array(array_type)(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), lanes.as_pointer())


@lower_builtin(load, types.Array, types.Integer)
def _lower_load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    size = signature.args[0].dtype.bitwidth // 8
    return builder.load(_pointer(context, builder, signature, args), align=size)


@lower_builtin(store, types.Array, types.Integer, _LanesType)
def _lower_store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    size = signature.args[0].dtype.bitwidth // 8
    builder.store(args[2], _pointer(context, builder, signature, args), align=size)
    return context.get_dummy_value()


@lower_builtin(spread, types.Array, types.Integer)
def _lower_spread(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    lanes = context.get_value_type(signature.return_type)
    value = context.cast(builder, args[1], signature.args[1], signature.return_type.dtype)
    return _in_all(builder, lanes, value)


@lower_builtin(least, _LanesType, _LanesType)
def _lower_least(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return _call(builder, "smin", args)


@lower_builtin(add, _LanesType, _LanesType)
def _lower_add(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    if signature.return_type.dtype == types.int16:
        return _call(builder, "sadd.sat", args)
    return builder.add(*args)


@lower_builtin(lowest, _LanesType)
def _lower_lowest(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    bits = signature.args[0].dtype.bitwidth
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.IntType(bits), [args[0].type]),
        f"llvm.vector.reduce.smin.v{WIDTH}i{bits}",
    )
    return builder.sext(builder.call(function, args), ir.IntType(64))


@lower_builtin(add_products, _LanesType, types.Array, types.Integer, types.Array, types.Integer)
def _lower_add_products(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    sums, *others = args
    int16, int32 = ir.IntType(16), ir.IntType(32)
    pairs, wide = ir.VectorType(int16, 2 * WIDTH), ir.VectorType(int32, 2 * WIDTH)
    own = _pointer_to(pairs, context, builder, signature.args[1], others[:2])
    value = _pointer_to(int32, context, builder, signature.args[3], others[2:])
    values = _in_all(builder, sums.type, builder.load(value, align=2))
    # Exactly what the compiler knows that instruction by, and can do without it.
    products = builder.mul(
        builder.sext(builder.load(own, align=2), wide),
        builder.sext(builder.bitcast(values, pairs), wide),
    )
    even, odd = (
        builder.shuffle_vector(
            products,
            ir.Constant(wide, ir.Undefined),
            ir.Constant(sums.type, list(range(first, 2 * WIDTH, 2))),
        )
        for first in (0, 1)
    )
    return builder.add(sums, builder.add(even, odd))


def _in_all(builder: Any, lanes: Any, value: Any) -> Any:
    """Return lanes that all hold one value."""
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, cgutils.int32_t(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(lanes, ir.Undefined), zeros)


def _call(builder: Any, name: str, args: Any) -> Any:
    """Call LLVM's function of two lanes."""
    lanes = args[0].type
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(lanes, [lanes, lanes]),
        f"llvm.{name}.v{WIDTH}i{lanes.element.width}",
    )
    return builder.call(function, args)

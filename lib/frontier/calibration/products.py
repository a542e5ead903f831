"""Rate of matrix products by precision, shape and cores held."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from frontier.calibration.devices import Device
from frontier.calibration.document import Measurement
from frontier.calibration.spread import Effort, repeat, spread

# In the order of the tables; a CPU's fp16 has no instructions of its own on most machines and says nothing about serving there.
PRECISIONS = {"cpu": ("fp32", "bf16", "int8"), "cuda": ("bf16", "fp16", "fp8", "int8")}
_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}


def shapes(device: str, *, quick: bool) -> list[tuple[int, int, int]]:
    """(rows, inner, columns) of the products: large squares, and the skinny ones of decoding with 1 to 64 sequences."""
    square, wide = (512, 1024) if quick else ((1024, 4096) if device == "cpu" else (8192, 8192))
    rows = (1, 64) if quick else (1, 2, 4, 8, 16, 32, 64)
    squares = [square] if quick or device == "cuda" else [square, 2 * square]
    return [*((side, side, side) for side in squares), *((row, wide, wide) for row in rows)]


def measure_products(device: Device, effort: Effort, absent: dict[str, str]) -> Iterator[Measurement]:
    """Rates of ``activations @ weights.T`` in every precision and shape.

    A product of (rows, inner) and (inner, columns) is counted as 2 rows inner columns operations: one multiplication and one addition each. Its
    weights are inner columns elements.

    Parameters
    ----------
    device : Device
    effort : Effort
    absent : dict
        Receives what this device cannot compute, with torch's reason.
    """
    for precision in PRECISIONS[device.kind]:
        for rows, inner, columns in shapes(device.kind, quick=effort.quick):
            try:
                work = _product(device, precision, rows, inner, columns)
                with device.held():
                    times = repeat(work, effort, device.settle)
            except RuntimeError as cause:
                reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
                absent[f"matmul {precision} {rows}x{inner}x{columns} on {device.kind}"] = reason
                continue
            operations = 2.0 * rows * inner * columns
            yield Measurement.of(
                "matmul", precision, device.kind, device.count, operations, "op/s", spread(operations, times),
                rows=rows, inner=inner, columns=columns, size_bytes=inner * columns * _BYTES[precision],
            )  # fmt: skip


def _product(device: Device, precision: str, rows: int, inner: int, columns: int) -> Callable[[], object]:
    """The product as a call; operands are made once. Their values do not matter for speed, but zeros would flatter a GPU's clock."""
    torch = device.torch
    maker = torch.Generator(device=device.kind).manual_seed(rows + inner + columns)
    if precision == "int8":
        kind = torch.int8
        left, right = (torch.randint(-127, 128, size, dtype=kind, device=device.kind, generator=maker) for size in ((rows, inner), (columns, inner)))
        return lambda: torch._int_mm(left, right.t())
    left, right = (torch.randn(shape, device=device.kind, generator=maker) for shape in ((rows, inner), (columns, inner)))
    if precision == "fp8":
        left, right = left.to(torch.float8_e4m3fn), right.to(torch.float8_e4m3fn)
        one = torch.ones((), device=device.kind)
        return lambda: torch._scaled_mm(left, right.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    left, right = left.to(kind), right.to(kind)
    return lambda: torch.nn.functional.linear(left, right)

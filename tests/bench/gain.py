"""engine_batching_gain: what batches are worth to the engine, where there is a CUDA device."""

from bench.assay_worker import drain, running_parts
from bench.engine import rate_row
from bench.rows import Aim, Row
from bench.scale import Setting
from bench.workplace import Workplace

NAME = "engine_batching_gain"
AIM = Aim("at least", 2.0)
BATCHES = (8, 32, 64)
DECODERS = (4, 12)


async def engine_batching_gain(place: Workplace) -> list[Row]:
    """Files per second of our worker with ResNet-18 in batches, over its own with batches of one."""
    import torch

    if not torch.cuda.is_available():
        return [Row(NAME, None, "files/s", 0, aim=AIM, note="torch finds no CUDA device here")]
    rates: dict[int, float] = {}
    failed = 0
    async with running_parts(place) as parts:
        stored = await parts.put(place.pictures)
        for batch in (1, *BATCHES):
            for decoders in DECODERS:
                setting = Setting(batch, decoders, 1)
                found = await drain(place, parts, stored, "bench-heavy", setting)
                failed += found.failed
                rates[batch] = max(rates.get(batch, 0.0), found.rate)
                place.say(f"{torch.cuda.get_device_name()}: {setting}: {found}")
    single = rates.pop(1)
    return [rate_row(NAME, max(rates.values()), len(stored), AIM, failed=failed, baseline=single)]

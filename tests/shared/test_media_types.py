"""The model that tells media types takes no more of the machine than it needs."""

import psutil

from assay.shared.media_types import MediaTypes, Sample


async def test_it_computes_in_the_thread_that_asks() -> None:
    before = psutil.Process().num_threads()
    types = MediaTypes()
    sample = Sample()
    sample.add(b"A letter to the editor, in plain words. " * 20)
    assert (await types.of(sample)).name == "text/plain"
    # At most one thread of asyncio's pool; the model's own would spin on every other core.
    assert psutil.Process().num_threads() <= before + 1

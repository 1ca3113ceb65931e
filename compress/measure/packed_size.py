"""What `compress pack` would make of every candidate, stage by stage."""

from collections.abc import Sequence

from compress.common.fact_cache import Journal, fact_key
from compress.core.built import Built
from compress.measure.latency_memory import Track
from compress.packing.pack_file import VERSION, pack
from compress.packing.pack_sizes import size_stages
from compress.results.records import Packed, PackedStage


def measure_packed(built: Sequence[Built], journal: Journal, track: Track) -> dict[str, Packed]:
    """By name."""
    keys = {one.name: fact_key("packed", VERSION, 1, one.candidate.id) for one in built}
    waiting = [one for one in built if not journal.facts(keys[one.name])]
    for one in track(waiting, "packed sizes", len(built), len(built) - len(waiting)) if waiting else ():
        stages = size_stages(
            pack(one.candidate.network, one.candidate.licence, quantization=one.candidate.quantization)
        )
        journal.add(keys[one.name], [[stage.stage, stage.bytes] for stage in stages])
    return {
        name: Packed(stages=tuple(PackedStage(stage=stage, bytes=size) for stage, size in journal.facts(key)[-1]))
        for name, key in keys.items()
    }

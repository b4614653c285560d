"""Several trainings, one after the other, on the ranks that torchrun starts: `ranks.py CASES.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch.distributed as dist

from domainlm import progress
from domainlm.train import loop, parallel
from domainlm.train.config import TrainConfig

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.train.poison import poison


def main(path: Path) -> None:
    place = parallel.join()
    for case in json.loads(path.read_bytes()):
        told: list[int] = []

        def stop(heard: progress.Progress, told: list[int] = told, at: int | None = case["stop"]) -> None:
            if heard.done == at:
                told.append(15)

        progress.listen(stop)
        config = TrainConfig.model_validate_json(json.dumps(case["config"]))
        if case["bad_rows"]:  # of the last case alone: nothing takes the poison away
            poison(case["bad_rows"])
        assert loop.train(config, place, told) == (case["stop"] is None)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""One trainer on rows of tokens, measured in a process of its own: ours as it is run, or Hugging Face's Trainer.

`trainers.py OURS_OR_HF SETTING.json` prints one JSON object: seconds and CPU-seconds of the steps after the first few,
the loss of each step, and the peak of memory by the last step. Neither writes checkpoints within that.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

WARM_STEPS = 4
"""Not measured: threads start, kernels are chosen and compiled, memory is taken."""


@dataclass
class Clock:
    """When steps ended: (step, wall seconds, CPU-seconds of all threads), and the peak of memory by then."""

    marks: list[tuple[int, float, float]] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)

    def mark(self, step: int) -> None:
        on_gpu = torch.cuda.is_available()
        # A wait for the device at every step would slow both down.
        if step < WARM_STEPS or (on_gpu and step > WARM_STEPS and step % 8):
            return
        if on_gpu:
            torch.cuda.synchronize()
        self.marks.append((step, time.perf_counter(), time.process_time()))
        self.memory = memory()

    def measured(self) -> dict[str, Any]:
        """Seconds and CPU-seconds of a step, for each stretch between two marks."""
        pairs = list(pairwise(self.marks))
        seconds, cpu_seconds = ([(end[n] - begin[n]) / (end[0] - begin[0]) for begin, end in pairs] for n in (1, 2))
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, **self.memory}


def memory() -> dict[str, int]:
    """Peak bytes: of what torch allocated on the GPU, else of the process."""
    if torch.cuda.is_available():
        return {"peak_bytes": torch.cuda.max_memory_allocated()}
    return {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def ours(setting: dict[str, Any]) -> dict[str, Any]:
    """The training process of a stage, export left out; progress is what marks the steps."""
    from domainlm import progress
    from domainlm.train import export, loop, metrics, parallel
    from domainlm.train.config import TrainConfig

    clock, config = Clock(), TrainConfig.model_validate_json(json.dumps(setting["config"]))
    progress.listen(lambda told: clock.mark(int(told.done)))
    place = parallel.join()
    export.finish = lambda training: None
    loop.train(config, place, [])
    losses = [line.loss for line in metrics.read(Path(config.folder) / metrics.METRICS_NAME)]
    return clock.measured() | {"losses": losses}


def hugging_face(setting: dict[str, Any]) -> dict[str, Any]:
    """Trainer with the same model, rows, batches, optimizer, schedule and precision, and its fast options."""
    from torch.utils.data import Dataset
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from domainlm.mix import loader
    from domainlm.specs.recipe import ScheduleSpec
    from domainlm.train import model as models
    from domainlm.train import training as trainings
    from domainlm.train.config import TrainConfig
    from domainlm.train.schedule import learning_rate

    config = TrainConfig.model_validate_json(json.dumps(setting["config"]))
    recipe, (mix, tokens) = config.recipe, (trainings.done(config.mix), trainings.done(config.tokens))
    assert config.architecture is not None
    model, prepare = models.from_architecture(
        config.architecture, vocab_size=tokens.facts["vocab_size"], end_token_id=0, seed=config.seed
    )
    prepare(model, "")
    model.set_attn_implementation(setting["attention"])  # transformers' own, and not ours
    steps = loader.batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=10**6, start_row=0, prefetch_steps=0)
    rows: list[dict[str, torch.Tensor]] = []
    for (batch,) in steps:
        # Trainer shifts the labels itself, and so never asks for the last of a row.
        label_BT = torch.from_numpy(batch.tokens_BT.copy())
        label_BT[torch.from_numpy(batch.position_BT == 0)] = -100
        position_BT = torch.from_numpy(batch.position_BT).long()
        for row, label_T, position_T in zip(torch.from_numpy(batch.tokens_BT), label_BT, position_BT, strict=True):
            rows.append(
                {"input_ids": row, "labels": label_T} | ({"position_ids": position_T} if setting["documents"] else {})
            )

    class Rows(Dataset):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return rows[index]

    clock = Clock()

    class Marks(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            clock.mark(state.global_step)

    batch_rows = recipe.batch_tokens // recipe.sequence_tokens
    micro = min(recipe.micro_batch_rows, batch_rows)
    arguments = TrainingArguments(
        output_dir=str(Path(config.folder) / "hf"),
        use_cpu=not torch.cuda.is_available(),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch_rows // micro,
        max_steps=mix.facts["rows"] // batch_rows,
        bf16=recipe.precision == "bf16",
        optim="adamw_bnb_8bit" if recipe.optimizer == "adamw8bit" else "adamw_torch_fused",
        learning_rate=1.0,
        adam_beta1=recipe.betas[0],
        adam_beta2=recipe.betas[1],
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip_norm,
        gradient_checkpointing=recipe.checkpointing == "full",
        torch_compile=recipe.compile,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_num_workers=2 if torch.cuda.is_available() else 0,
        remove_unused_columns=False,
        seed=0,
    )

    class InOrder(Trainer):
        def _get_train_sampler(self, *_, **__):
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def create_scheduler(self, num_training_steps, optimizer=None):
            spec: ScheduleSpec = recipe.schedule
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer,
                lambda step: learning_rate(min(step, num_training_steps - 1), num_training_steps, spec),
            )
            return self.lr_scheduler

    losses: list[torch.Tensor] = []

    class Told(InOrder):
        def training_step(self, *args, **kwargs):
            loss = super().training_step(*args, **kwargs)
            losses.append(loss.detach())
            return loss

    Told(model=model, args=arguments, train_dataset=Rows(), callbacks=[Marks()]).train()
    each = arguments.gradient_accumulation_steps
    sums = torch.stack(losses).float().view(-1, each).sum(1).tolist()
    return clock.measured() | {"losses": sums}


def main() -> None:
    side, path = sys.argv[1:]
    setting = json.loads(Path(path).read_bytes())
    torch.set_num_threads(setting["threads"])
    print(json.dumps({"ours": ours, "hf": hugging_face}[side](setting)))


if __name__ == "__main__":
    main()

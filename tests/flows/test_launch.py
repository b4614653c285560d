from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import StageError
from domainlm.progress import Progress
from flows.launch import LAST_LINES, launch, redact


def test_values_of_secret_variables_are_replaced_by_their_names() -> None:
    environment = {
        "HF_TOKEN": "hf_abcdef",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t/+=",
        "DB_PASSWORD": "correct horse",
        "PREFECT_API_AUTH_STRING": "me:hush-hush",
        "HOME": "/home/reader",
    }
    line = "hf_abcdef s3cr3t/+= correct horse me:hush-hush /home/reader"
    expected = "[HF_TOKEN] [AWS_SECRET_ACCESS_KEY] [DB_PASSWORD] [PREFECT_API_AUTH_STRING] /home/reader"
    assert redact(line, environment) == expected


def test_a_secret_that_holds_another_leaves_nothing_of_itself() -> None:
    assert redact("x secret-and-more", {"A_KEY": "secret", "B_KEY": "secret-and-more"}) == "x [B_KEY]"


def test_each_line_of_a_secret_of_several_lines_is_replaced() -> None:
    key = "-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----"
    assert redact("MIIEvQIBADANBg", {"TLS_KEY": key}) == "[TLS_KEY]"


def test_short_values_and_options_of_tokenizers_blank_out_nothing() -> None:
    environment = {"USE_KEY": "true", "EMPTY_TOKEN": "", "TOKENIZERS_PARALLELISM": "disabled"}
    assert redact("true, disabled", environment) == "true, disabled"


def test_passwords_in_urls_go_whatever_they_are_named() -> None:
    assert redact("postgresql+asyncpg://me:pw@db:5432/x", {}) == "postgresql+asyncpg://[redacted]@db:5432/x"


def launched(tmp_path: Path, command: str, *spec: str) -> tuple[list[Progress], list[str]]:
    told: list[Progress] = []
    lines: list[str] = []
    launch(command, "corpus", *spec, tmp_path, on_progress=told.append, log=lines.append)
    return told, lines


def test_a_child_that_fails_becomes_an_error_with_its_last_lines_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "abcdef-no-such")
    spec = str(tmp_path / "abcdef-no-such.yaml")
    with pytest.raises(StageError) as caught:
        launched(tmp_path, "corpus", spec)
    assert str(caught.value).startswith("corpus failed with exit status 2. Its last lines:\n")
    assert f"{tmp_path}/[MY_TOKEN].yaml" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= LAST_LINES + 1

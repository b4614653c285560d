"""Text of a PDF, taken out in a process apart: a file that never ends, or crashes its reader, costs itself only.

The limit is of CPU time, not of time that goes by: on a busy machine the same files are read.
"""

from __future__ import annotations

import resource
import signal
import struct
import subprocess
import sys
from typing import IO

from domainlm.corpus.extract import Unreadable, pdf

MAX_CPU_S = 120
"""CPU-seconds for a file. A guess: a thousand pages take five."""
_HEAD = struct.Struct("<?Q")
"""Whether there is a text, or else the reason why not; and how many bytes of it follow."""


class Apart:
    """A process that reads one PDF after another; begun when it is needed, and again when it came to an end."""

    def __init__(self, max_cpu_s: int = MAX_CPU_S):
        self._max_cpu_s = max_cpu_s
        self._child: subprocess.Popen[bytes] | None = None

    def text(self, content: bytes) -> str:
        """As `pdf.text`; Unreadable, too, where it takes too long or the process ends."""
        if self._child is None:
            command = [sys.executable, "-m", __name__, str(self._max_cpu_s)]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            _send(self._child.stdin, True, content)
            is_text, found = _received(self._child.stdout)
        except (BrokenPipeError, EOFError):
            raise Unreadable(self._end()) from None
        if not is_text:
            raise Unreadable(found.decode())
        return found.decode("utf-8", "surrogatepass")

    def _end(self) -> str:
        """Why the process ended."""
        assert self._child is not None
        code = self._child.wait()
        self.close()
        if code == -signal.SIGXCPU:
            return f"a PDF that takes more than {self._max_cpu_s} CPU-seconds to read"
        return f"a PDF that brings its reader down ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue
            self._child.wait()
            self._child = None

    def __del__(self) -> None:
        self.close()


def _send(pipe: IO[bytes], is_text: bool, content: bytes) -> None:
    pipe.write(_HEAD.pack(is_text, len(content)))
    pipe.write(content)
    pipe.flush()


def _received(pipe: IO[bytes]) -> tuple[bool, bytes]:
    """What `_send` sent; EOFError where the other side is gone."""
    is_text, num_bytes = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    return is_text, _exactly(pipe, num_bytes)


def _exactly(pipe: IO[bytes], num_bytes: int) -> bytes:
    content = pipe.read(num_bytes)
    if len(content) != num_bytes:
        raise EOFError
    return content


def _serve(max_cpu_s: int) -> None:
    """Read PDFs from standard input until it ends, which it does with the process that asks."""
    while True:
        try:
            _, content = _received(sys.stdin.buffer)
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + 1 + max_cpu_s
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        try:
            _send(sys.stdout.buffer, True, pdf.text(content).encode("utf-8", "surrogatepass"))
        except Unreadable as reason:
            _send(sys.stdout.buffer, False, str(reason).encode())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when the one who asks does
    _serve(int(sys.argv[1]))

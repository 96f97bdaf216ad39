"""`llm-sidecar serve`: the protocol on stdin and stdout, until one of the reasons in `sidecar.Exit`.

Law: the last line on stderr says why it ended, and the process is gone within two seconds of the reason, whoever reads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Final, NoReturn

from llm_sidecar import log
from llm_sidecar.cli.complaint import complain
from llm_sidecar.cli.serve_keys import take_key_source
from llm_sidecar.errors import SidecarError
from llm_sidecar.rpc.descriptors import ProtocolDescriptors
from llm_sidecar.rpc.stdio import open_sink, open_source
from llm_sidecar.settings import Settings, data_dir, load_limits, load_use_proxy
from llm_sidecar.sidecar import Exit, Sidecar
from llm_sidecar.storage.data_folder import IN_MEMORY

USAGE = """\
usage: llm-sidecar serve [--drain] [--data-dir DIR] [--in-memory] [--log-level LEVEL] [--dev] [--force-threads]

Speak JSON-RPC 2.0 on stdin / stdout, one message a line; log as JSON lines on stderr.

  --drain            at the end of stdin, finish what was asked, then exit (for scripts)
  --data-dir DIR     where the sidecar keeps its files (else LLM_SIDECAR_HOME, else the platform's folder)
  --in-memory        keep nothing: of the data folder, only config.toml is read
  --log-level LEVEL  debug, info (default), warning, error, off (else LLM_SIDECAR_LOG_LEVEL)
  --dev              put stack traces into the details of internal errors
  --force-threads    read and write in threads, as on Windows, also where the event loop could

the vault's key, in this order of preference; the first is what a host gives in `initialize` or `llm:vault:unlock`:
  --key-fd N         read it (base64 of 32 bytes) from this open descriptor, and close that
  --keyring          keep it in the operating system's keyring
  --passphrase-fd N  derive it from the passphrase on this open descriptor
  --allow-env-key    take it from LLM_SIDECAR_VAULT_KEY (others of this user can read a process's environment)
without any, keys of profiles are stored in plaintext, with a warning

exit codes: 0 end of stdin or `exit`; 1 internal fault; 2 wrong usage or settings; 3 the host died;
            4 stdout closed; 5 another sidecar serves the data folder; 130 SIGINT; 143 SIGTERM or SIGHUP
"""


_FLAGS: Final = ("--drain", "--dev", "--force-threads", "--in-memory", "--keyring", "--allow-env-key")
_VALUES: Final = ("--data-dir", "--log-level", "--key-fd", "--passphrase-fd")


def serve(arguments: list[str], descriptors: ProtocolDescriptors) -> NoReturn:
    """Serve on `descriptors`, then end the process."""
    try:
        settings = _settings(arguments)
    except (SidecarError, ValueError) as error:
        complain(str(error))
        _end(Exit.USAGE)
    log.capture_foreign_logs()
    asyncio.run(_serve(settings, descriptors))
    _end(Exit.FAILURE)


async def _serve(settings: Settings, descriptors: ProtocolDescriptors) -> NoReturn:
    try:
        reason = await _run(settings, descriptors)
    except Exception as error:
        log.error("failed", exception=type(error).__name__)
        reason = Exit.FAILURE
    # Not by way of `asyncio.run`: it would wait for threads, and one may hang in a name look-up.
    _end(reason)


async def _run(settings: Settings, descriptors: ProtocolDescriptors) -> Exit:
    source = open_source(descriptors.stdin, force_thread=settings.force_threads)
    sink = open_sink(descriptors.stdout, force_thread=settings.force_threads)
    sidecar = Sidecar(source, sink, settings, os.environ, before_services=_harden)
    _install_signals(sidecar)
    return await sidecar.run(watch_parent=True)


def _names_a_secret(variable: str) -> bool:
    return variable.endswith("_API_KEY") or variable == "LLM_SIDECAR_VAULT_KEY"


def _harden() -> None:
    from llm_sidecar.vault.hardening import harden

    harden()


def _install_signals(sidecar: Sidecar) -> None:
    loop = asyncio.get_running_loop()
    reasons = {"SIGINT": Exit.INTERRUPTED, "SIGTERM": Exit.TERMINATED, "SIGHUP": Exit.TERMINATED}
    for name, reason in reasons.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        if sys.platform == "win32":
            signal.signal(
                number,
                lambda *_, reason=reason: loop.call_soon_threadsafe(sidecar.stop, reason),  # type: ignore[misc]
            )
        else:
            loop.add_signal_handler(number, sidecar.stop, reason)


def _end(reason: Exit) -> NoReturn:
    # Threads may still wait in a read or a write that never returns: leave without them.
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(reason)


def _settings(arguments: list[str]) -> Settings:
    flags = dict.fromkeys(_FLAGS, False)
    values = dict.fromkeys(_VALUES, None) | {"--log-level": os.environ.get("LLM_SIDECAR_LOG_LEVEL", "info")}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name in flags and not equals:
            flags[name] = True
        elif name in values and (equals or rest):
            values[name] = value if equals else rest.pop(0)
        else:
            raise ValueError(f"`{name}` is not an option of serve, or lacks its value\n\n{USAGE}")
    log.configure(values["--log-level"] or "")
    if values["--key-fd"] or values["--passphrase-fd"] or any(map(_names_a_secret, os.environ)):
        _harden()  # at once: a host may take its time to say something
    folder = data_dir(values["--data-dir"], os.environ)
    return Settings(
        data_dir=IN_MEMORY if flags["--in-memory"] else folder,
        limits=load_limits(folder, os.environ),
        drain=flags["--drain"],
        dev=flags["--dev"],
        force_threads=flags["--force-threads"],
        use_proxy=load_use_proxy(folder, os.environ),
        key_source=take_key_source(
            key_fd=values["--key-fd"],
            passphrase_fd=values["--passphrase-fd"],
            keyring=flags["--keyring"],
            allow_env_key=flags["--allow-env-key"],
            environment=os.environ,
        ),
    )

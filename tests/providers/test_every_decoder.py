"""Every decoder, over every recorded stream of its format: however the bytes are cut, it is the same answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_sidecar.providers.events import Finish, ProviderState
from tests.providers.contract import check_rules, decode, summary, text_of
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat

MOST = 1_000_000
RECORDED = [(wire_format, name) for wire_format in FORMATS.values() for name in wire_format.recorded]
every_recorded_stream = pytest.mark.parametrize(
    ("wire_format", "name"), RECORDED, ids=[f"{wire_format.name}: {name}" for wire_format, name in RECORDED]
)
every_format = pytest.mark.parametrize("wire_format", FORMATS.values(), ids=FORMATS.keys())


@every_recorded_stream
def test_byte_by_byte_it_is_the_same_answer(wire_format: WireFormat, name: str) -> None:
    stream = wire_format.recorded[name]
    whole, failure = decode(wire_format.decoder(MOST), stream)
    cut, cut_failure = decode(wire_format.decoder(MOST), *(stream[at : at + 1] for at in range(len(stream))))
    assert summary(cut) == summary(whole)
    assert repr(cut_failure) == repr(failure)


@every_recorded_stream
def test_a_complete_answer_keeps_the_rules_of_every_stream(wire_format: WireFormat, name: str) -> None:
    events, failure = decode(wire_format.decoder(MOST), wire_format.recorded[name])
    if failure is None:
        check_rules([events])
        assert isinstance(events[-1], Finish)


@every_format
@settings(max_examples=50)
@given(data=st.data())
def test_cut_anywhere_it_is_the_same_answer(wire_format: WireFormat, data: st.DataObject) -> None:
    stream = wire_format.recorded[data.draw(st.sampled_from(sorted(wire_format.recorded)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events, failure = decode(wire_format.decoder(MOST), *pieces)
    whole, whole_failure = decode(wire_format.decoder(MOST), stream)
    assert summary(events) == summary(whole)
    assert repr(failure) == repr(whole_failure)


@every_recorded_stream
def test_truncated_at_any_byte_it_is_complete_or_a_failure_and_never_both(wire_format: WireFormat, name: str) -> None:
    """(Formats with an end marker are never complete before it: that is in the tests of each.)"""
    stream = wire_format.recorded[name]
    whole = text_of(decode(wire_format.decoder(MOST), stream)[0])
    for end in range(len(stream)):
        events, failure = decode(wire_format.decoder(MOST), stream[:end])
        assert sum(isinstance(event, Finish) for event in events) == (failure is None)
        assert whole.startswith(text_of(events))
        if failure is None:
            assert text_of(events) == whole
        else:
            assert not any(isinstance(event, ProviderState) for event in events)


@every_format
@given(garbage=st.binary(max_size=200))
def test_garbage_is_a_failure_and_nothing_else(wire_format: WireFormat, garbage: bytes) -> None:
    for before in (b"", b"{", b"data: ", b"event: message_start\ndata: "):
        events, failure = decode(wire_format.decoder(MOST), before + garbage)
        assert not any(isinstance(event, Finish) for event in events)
        assert failure is not None
        assert failure.code in ("STREAM_TRUNCATED", "PROVIDER_PROTOCOL_ERROR")

"""The page that a person reads about an evidence file: what is proved, by whom, and what is not."""

from __future__ import annotations

from doxedge.contracts.rule import Value
from doxedge.evidence.check import Proved, ProvedRecord
from doxedge.evidence.content import grams_text, lines, shown, time_text, title

_LABEL_WIDTH = 16


def text(proved: Proved) -> str:
    """The whole page, plain, for a terminal or a printer."""
    return "\n".join(
        [
            "PROVED",
            "",
            *_wrapped(statement(proved)),
            "",
            *_records(proved),
            "WHO STANDS FOR IT",
            *_lines(standing(proved)),
            "",
            "WHAT IS NOT PROVED",
            *(line for point in not_proved(proved) for line in _wrapped(point, bullet="- ")),
            "",
        ]
    )


def statement(proved: Proved) -> str:
    """What was proved, in one paragraph."""
    subject, header = proved.subject, proved.header
    count = len(proved.records)
    what = title(proved.records[0].kind) if count == 1 else f"a batch of {count} records"
    through = f" through its {subject.purpose} key"
    if subject.device is not None:
        through = f" through its device {shown(subject.device)}"
    refused = sum(record.outcome != 0 for record in proved.records)
    fate = (
        "accepted"
        if not refused
        else "refused"
        if refused == count
        else f"accepted, but for {refused} of its records"
    )
    return (
        f"{shown(subject.party)} stated{through} {what}. It was {fate} in block {header.height} of channel "
        f"{shown(proved.genesis.name)} ({shown(proved.genesis.place)}), and that block is final."
    )


def standing(proved: Proved) -> list[tuple[str, str]]:
    """Channel, block, signer, validators, cosigners."""
    subject, header, certified = proved.subject, proved.header, proved.certified
    found = [
        ("channel", proved.channel.hex() + (" (as you named it)" if proved.pinned else " (compare it!)")),
        ("block", f"height {header.height}, {header.block_id.hex()}"),
        ("certified", f"height {certified.height}, block time {time_text(certified.time_ms)}"),
        ("transaction", proved.transaction.tx_id.hex()),
        (
            "signed by",
            f"{shown(subject.party)} ({subject.role}), {subject.purpose} key {subject.key_id.hex()}",
        ),
    ]
    for label, value in (("device", subject.device), ("unit", subject.unit), ("account", subject.account)):
        if value is not None:
            found.append((label, shown(value)))
    finalized = ", ".join(map(shown, proved.finalized_by))
    found.append(("finalized by", f"{finalized} (quorum {proved.genesis.quorum})"))
    found.append(("cosigned by", ", ".join(map(shown, proved.cosigned_by)) or "nobody"))
    return found


def not_proved(proved: Proved) -> list[str]:
    """What the file cannot show, each point in a sentence."""
    points = []
    if not proved.pinned:
        points.append(
            "That this is the channel you mean. Anybody can begin a channel with any names: compare the channel above "
            "with the one the regulator published, or check again with --channel or --genesis."
        )
    kinds = {record.kind for record in proved.records}
    if kinds & {"hour", "hour.revise"}:
        points.append(
            "That the analyser measured rightly. The hour is what the device signed; its samples stay at the plant "
            "under the root named above, and calibration records tell about the analyser."
        )
        points.append(
            f"That no later revision of the hour exists. The file knows the ledger up to height "
            f"{proved.certified.height}."
        )
    if any(_is_trial(record) for record in proved.records):
        points.append("That a trial hour counts towards compliance: it does not.")
    if proved.subject.key_revoked:
        points.append(
            "That the key is still good: it was replaced or withdrawn later, up to the certified block."
        )
    if proved.subject.suspended:
        points.append("That the signer gave each number once: the numbering was suspended for a conflict.")
    members = set(proved.node_parties)
    missing = sorted(members - set(proved.cosigned_by))
    if missing:
        points.append(
            f"That all members saw the same ledger: {len(members) - len(missing)} of {len(members)} members "
            f"with a node have cosigned; missing: {', '.join(map(shown, missing))}."
        )
    points.append(
        "That the rules were applied rightly: that is the word of those who finalized and cosigned, who executed "
        "the block. A node of your own executes it again."
    )
    return points


def as_json(proved: Proved) -> dict[str, object]:
    """The same for programs (wire.md 8)."""
    return {
        "verdict": "proved",
        "statement": statement(proved),
        "channel": proved.channel.hex(),
        "channel_name": proved.genesis.name,
        "channel_pinned": proved.pinned,
        "height": proved.header.height,
        "block_id": proved.header.block_id.hex(),
        "certified_height": proved.certified.height,
        "certified_time_ms": proved.certified.time_ms,
        "tx_id": proved.transaction.tx_id.hex(),
        "party": proved.subject.party,
        "role": proved.subject.role,
        "device": proved.subject.device,
        "account": proved.subject.account,
        "unit": proved.subject.unit,
        "key_id": proved.subject.key_id.hex(),
        "finalized_by": list(proved.finalized_by),
        "quorum": proved.genesis.quorum,
        "cosigned_by": proved.cosigned_by,
        "members_with_node": proved.node_parties,
        "records": [
            {
                "record_id": record.record_id.hex(),
                "kind": record.kind,
                "seq": record.seq,
                "outcome": record.outcome,
                "clause": record.clause,
                "content": dict(lines(record.kind, record.body)),
                "events": [_json_value(list(event)) for event in record.events],
            }
            for record in proved.records
        ],
        "not_proved": not_proved(proved),
    }


def _records(proved: Proved) -> list[str]:
    page: list[str] = []
    for record in proved.records:
        page.append(f"RECORD {record.seq}: {title(record.kind)}")
        page += _lines([*lines(record.kind, record.body), ("record id", record.record_id.hex())])
        page += _lines([_fate(record), *_consequences(record)])
        page.append("")
    return page


def _fate(record: ProvedRecord) -> tuple[str, str]:
    if record.outcome == 0:
        return "outcome", "accepted, as trial" if _is_trial(record) else "accepted"
    reasons = [event[2] for event in record.events if event[:1] == ["refused"] and len(event) == 3]
    reason = f": {shown(str(reasons[0]))}" if reasons else ""
    return "outcome", f"refused by clause {record.clause}{reason}"


def _consequences(record: ProvedRecord) -> list[tuple[str, str]]:
    """Events that a reader of the record wants to know about."""
    found = []
    for event in record.events:
        match event:
            case ["headroom.warning", str(account), int(year), int(headroom_g), runs_out_ms]:
                left = f"{shown(account)} has {grams_text(headroom_g)} left for {year}"
                lasts = "at the present rate they last for the year"
                if isinstance(runs_out_ms, int):
                    lasts = f"at the present rate they run out at {time_text(runs_out_ms)}"
                found.append(("warning", f"{left}; {lasts}"))
            case ["headroom.exceeded", str(account), int(year), int(emitted_g), int(held_g)]:
                over = f"{shown(account)} emitted {grams_text(emitted_g)} in {year} and held {grams_text(held_g)}"
                found.append(("exceedance", over))
    return found


def _is_trial(record: ProvedRecord) -> bool:
    return any(event[:1] == ["hour.accepted"] and event[-1:] == ["trial"] for event in record.events)


def _lines(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"  {label:<{_LABEL_WIDTH}}{value}" for label, value in pairs]


def _wrapped(paragraph: str, *, bullet: str = "", width: int = 100) -> list[str]:
    """Lines of at most `width` characters, continuation lines under the text."""
    indent, found, line = " " * len(bullet), [], bullet
    for word in paragraph.split(" "):
        if len(line) + len(word) > width and line.strip():
            found.append(line.rstrip())
            line = indent
        line += word + " "
    return [*found, line.rstrip()]


def _json_value(value: Value) -> object:
    match value:
        case bytes():
            return value.hex()
        case list():
            return [_json_value(item) for item in value]
        case _:
            return value

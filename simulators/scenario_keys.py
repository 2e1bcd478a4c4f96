"""Every key of a scenario file, for `python -m simulators scenario --list`."""

from __future__ import annotations

from typing import Final

KEYS: Final[dict[str, dict[str, str]]] = {
    "[plant]": {
        "start": "when plant time begins: 2026-01-01T00:00:00Z, on the hour; default: that one",
        "hours": "how long it lasts; default 24",
        "speed": "plant seconds a second; default 60",
        "broker_port": "an MQTT broker listens there, 0 takes a free port; default: no broker",
    },
    "[[unit]]": {
        "name": "letters, digits, `_`, `.` and `-`",
        "seed": "the same seed always makes the same plant; default 1",
        "capacity_mw": "at full load; default 100",
        "moisture_percent": "of the stack gas; default 12",
        "nox_ppm_at_full_load": "of the stack gas, dry; default 110",
        "two_shift": "stands still at night; default true",
        "analyser_port": "0 takes a free one, as it is usual",
        "flow_port": "the same of the flow meter",
        "meter_port": "the same of the power meter",
        "analyser_profile": "another register map than teledyne_t200",
        "flow_profile": "another one than generic_analogue_input",
        "meter_profile": "another one than janitza_umg",
        "analyser_serial": "true: at the end of a null-modem cable and not on a network",
        "flow_serial": "the same of the flow meter",
        "meter_serial": "the same of the power meter",
        "fault": "[[unit.fault]] as in a file for `plant --config`; a step says the same by the clock of the plant",
    },
    "[[step]]": {
        "at": "HH:MM or HH:MM:SS after the start of the plant",
        "at_s": "the same in seconds, in the place of `at`",
        "for_s": "how long, in seconds; default: to the end",
        "unit": "whose; needed where there are several, and never with an outage",
        "instrument": "analyser, flow or meter; of a fault",
        "fault": "one of the faults below",
        "argument": "the number that a fault's explanation calls ARGUMENT",
        "plant": "one of the plant events below",
        "load_percent": "of the capacity; of plant = load",
        "outage": "one of the outages below; of the whole site",
    },
    "[[expect]]": {
        "unit": "whose; needed where there are several",
        "hour": "counted from 0 at the start of the plant",
        "finds": "what the gateway stated of this hour, one of those below; default stated",
        "cause": "how the cause of the gap begins; of finds = gap",
        "event": "the code of a signed event, in the place of `hour`",
        "away": "analyser, flow or meter, in the place of `hour`: it was found away, and came back",
        "times": "how often; of event and away",
    },
}

"""Files of tests as they are handed in, good unless told otherwise."""

from __future__ import annotations

LINEARITY = "oris,location,test_num,parameter,gas_level,measured_1,measured_2,measured_3,reference\n"
RATA = "oris,location,test_num,op_level,run,cem_value,ref_value,run_status\n"
QAL2 = "date,x,y\n"


def linearity(high: str = "400", *, parameter: str = "NOXC", number: str = "T1") -> str:
    rows = (("LOW", "100", "100"), ("MID", "250", "250"), ("HIGH", high, "400"))
    return "".join(f"1,U1,{number},{parameter},{level},{m},{m},{m},{r}\n" for level, m, r in rows)


def runs(*, off: int = 0, count: int = 9, number: str = "T1") -> str:
    return "".join(
        f"1,U1,{number},H,{run},{300 + run},{300 + run + off},RUNUSED\n" for run in range(1, count + 1)
    )


def samples(count: int = 15, *, off: int = 0) -> str:
    return "".join(f"2026-02-{1 + n // 5:02},{10 + n},{10 + n + off + n % 2}\n" for n in range(count))

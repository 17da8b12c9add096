"""The report of a run, for the terminal and for docs/reliability.md, where it stands between marks with the command that made it."""

from pathlib import Path

from tests.faults.run import Report

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


def marks(name: str) -> tuple[str, str]:
    return f"<!-- report {name} -->", f"<!-- end of report {name} -->"


def text_of(report: Report, command: str) -> str:
    """Markdown that reads well as plain text too."""
    play, verdict = report.play, report.verdict
    lines = [f"`{command}`", ""]
    lines.append(f"**{'Every promise was kept.' if not verdict.wrong else f'{len(verdict.wrong)} promises were broken.'}**")
    lines += [f"- {line}" for line in verdict.wrong]
    lines += [
        "",
        f"{play.mails_in:,} mails in, {play.recipients_out:,} recipients out, {play.database}, seed {play.seed}: "
        f"{report.kills} kills in {report.traffic_s:.0f} s of traffic, quiet {report.quiet_s:.0f} s later, {report.seconds:.0f} s in all.",
        "", "| done to it | times |", "|---|---|",
        *[f"| {name} | {number} |" for name, number in report.done.items()],
        *[f"| receiver: {name.replace('_', ' ')} | {number} |" for name, number in report.misdeeds.items()],
        "", "| account | |", "|---|---|",
        *[f"| {name} | {number:,} |" for name, number in verdict.figures.items()],
    ]  # fmt: skip
    if report.later:
        later = ", ".join(f"{name}: {number}" for name, number in report.later.items())
        lines += ["", f"Told to come again, or found nobody there: {later}."]
    lines += ["", *[f"- {line}" for line in [*report.notes, *(f"Left out on this machine: {one}." for one in report.missing)]]]
    return "\n".join(lines) + "\n"


def keep(name: str, text: str) -> None:
    """Put the report between its marks in docs/reliability.md. raises ValueError when the marks are not there"""
    begin, end = marks(name)
    whole = DOCUMENT.read_text(encoding="utf-8")
    if begin not in whole or end not in whole:
        raise ValueError(f"docs/reliability.md has no {begin}")
    head, _, rest = whole.partition(begin)
    DOCUMENT.write_text(f"{head}{begin}\n{text}{end}{rest.partition(end)[2]}", encoding="utf-8")

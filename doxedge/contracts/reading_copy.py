"""The reading copy: the rules as numbered text, made from the source that runs.

The text of a section is the docstring of its module, the text of a rule is that of its function. Under each clause
stands the reason as a receipt cites it, and the condition as the program asks it, with the words that it uses. Nothing
is written by hand, so that copy and program cannot differ. Reads text that the caller hands over; opens no file.
"""

from __future__ import annotations

import ast
import dataclasses
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from doxedge.contracts import in_force
from doxedge.contracts.figures import FIGURES

SECTION_SIGN: Final = "§"
PREFACE: Final = "rule"
"""The module whose docstring stands before the first section."""
WIDTH: Final = 100
_REQUIRE: Final = {"require", "require_found"}
_PLUMBING: Final = ("find_", "put_", "write_", "create_", "balance_key")
"""Functions that keep the books and decide nothing: they are not part of the text."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One reason for which an act is refused."""

    number: str
    reason: str
    condition: str
    """What must hold, as the program asks it."""
    words: tuple[tuple[str, str], ...]
    """Names in the condition and what they stand for, in the order in which they arise."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule: a kind of transaction, and when it is refused."""

    kind: str
    text: str
    facts: tuple[str, ...]
    clauses: tuple[Clause, ...]
    """In the order in which the program asks."""
    events: tuple[str, ...]
    """What it may put on the receipt."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a number that the rules of a section use."""

    name: str
    text: str
    program: str = ""
    """The lines of the program, where a section decides without clauses."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: a module of the rules."""

    number: int
    name: str
    title: str
    text: str
    figures: tuple[Term, ...]
    rules: tuple[RuleText, ...]
    terms: tuple[Term, ...]


def read(sources: Mapping[str, str], version: int = in_force.CURRENT) -> tuple[Section, ...]:
    """The sections in ascending order. `sources` maps module names of this package to their text."""
    modules = {name: _Module(name, text) for name, text in sources.items()}
    sections = [module.section(version) for module in modules.values() if module.is_section]
    return tuple(sorted(sections, key=lambda section: section.number))


def preface(sources: Mapping[str, str]) -> str:
    """What stands before the first section."""
    return _docstring(ast.parse(sources[PREFACE]))


def whole_text(sources: Mapping[str, str], version: int = in_force.CURRENT) -> str:
    """The whole reading copy of a version."""
    head = (
        f"THE RULES, VERSION {version}\nA new channel may name them from {in_force.RULES[version].since} on."
    )
    sections = [section_text(section) for section in read(sources, version)]
    return "\n\n".join([head, _filled(preface(sources)), *sections]) + "\n"


def section_text(section: Section) -> str:
    """One section for people."""
    title = f"{SECTION_SIGN} {section.number} {section.title}"
    blocks = [f"{title}\n{'=' * len(title)}", _filled(section.text)]
    if section.figures:
        blocks.append("\n".join(_term_lines(section.figures)))
    blocks += [rule_text(rule) for rule in section.rules]
    if section.terms:
        blocks.append("\n".join(["Words and numbers of this section", *_term_lines(section.terms)]))
    return "\n\n".join(blocks)


def rule_text(rule: RuleText) -> str:
    """One rule for people."""
    lines = [_hanging(f"{rule.kind} ", f"[{', '.join(rule.facts)}]", ""), _filled(rule.text, "  ")]
    for clause in rule.clauses:
        lines += _clause_lines(clause)
    if rule.events:
        lines.append(_filled(f"On the receipt: {', '.join(rule.events)}.", "  "))
    return "\n".join(lines)


def as_json(sections: Iterable[Section]) -> list[dict[str, object]]:
    """The sections for programs."""
    return [dataclasses.asdict(section) for section in sections]


class _Module:
    """The source of one module, taken apart."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.source = name, text
        self.tree = ast.parse(text)
        self.docstring = _docstring(self.tree)
        self.functions = {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef)}

    @property
    def is_section(self) -> bool:
        return self.docstring.startswith(SECTION_SIGN)

    def section(self, version: int) -> Section:
        title, _, text = self.docstring.partition("\n")
        number, _, words = title.removeprefix(SECTION_SIGN).strip().partition(" ")
        rules = tuple(self._rules(version))
        return Section(
            number=int(number),
            name=self.name,
            title=words,
            text=text.strip(),
            figures=tuple(_figures()) if self.name == "figures" else (),
            rules=rules,
            terms=(*self._numbers(), *self._meanings(version)),
        )

    def _kinds(self, version: int) -> Iterator[tuple[str, type, str]]:
        """(kind, class of its facts, name of its function) of the rules that stand in this module."""
        for kind, (facts, rule) in in_force.RULES[version].table.items():
            if rule.__module__.rpartition(".")[2] == self.name:
                yield kind, facts, rule.__name__

    def _rules(self, version: int) -> Iterator[RuleText]:
        for kind, facts, function in self._kinds(version):
            node = self.functions[function]
            yield RuleText(
                kind=kind,
                text=_docstring(node),
                facts=tuple(field.name for field in dataclasses.fields(facts)),
                clauses=tuple(dict.fromkeys(self._clauses(node))),
                events=tuple(dict.fromkeys(self._events(node))),
            )

    def _clauses(self, function: ast.FunctionDef) -> Iterator[Clause]:
        """The clauses of a function and, where it calls them, of the module's private functions."""
        assigned = dict(_assigned(function))
        for call in _calls(function):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            if name in _REQUIRE:
                condition, number, reason = call.args
                if isinstance(reason, ast.Name):
                    reason = assigned[reason.id]
                yield self._clause(
                    condition, ast.literal_eval(number), ast.literal_eval(reason), assigned, name
                )
            elif name.startswith("_") and name in self.functions:
                yield from self._clauses(self.functions[name])

    def _clause(
        self, condition: ast.expr, number: str, reason: str, assigned: Mapping[str, ast.expr], asked: str
    ) -> Clause:
        if isinstance(condition, ast.Name) and condition.id in assigned:
            condition = assigned[condition.id]
        words = dict.fromkeys(self._words(condition, assigned))
        text = self._text(condition)
        return Clause(number, reason, f"{text} is there" if asked == "require_found" else text, tuple(words))

    def _words(self, expression: ast.expr, assigned: Mapping[str, ast.expr]) -> Iterator[tuple[str, str]]:
        """What the local names of an expression stand for, the deepest first."""
        for node in ast.walk(expression):
            if not isinstance(node, ast.Name):
                continue
            if node.id in assigned:
                value = assigned[node.id]
                yield from self._words(value, {name: v for name, v in assigned.items() if name != node.id})
                yield node.id, self._text(value)
            elif node.id.startswith("_") and node.id in self.functions:
                yield from self._question(self.functions[node.id])

    def _question(self, function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
        """What a private function asks that a condition leaves to it: its words and its answer."""
        answers = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
        assigned = dict(_assigned(function))
        for answer in answers:
            yield from self._words(answer, assigned)
        text = " or else ".join(self._text(answer) for answer in answers)
        parameters = ", ".join(argument.arg for argument in function.args.args)
        yield f"{function.name}({parameters})", text

    def _events(self, function: ast.FunctionDef) -> Iterator[str]:
        for call in _calls(function):
            match call:
                case ast.Call(
                    func=ast.Attribute(attr="emit"), args=[ast.List(elts=[ast.Constant(value=str(word)), *_])]
                ):
                    yield word
                case ast.Call(func=ast.Name(id=name)) if name.startswith("_") and name in self.functions:
                    yield from self._events(self.functions[name])

    def _numbers(self) -> Iterator[Term]:
        """Constants that have a docstring: bounds with their reason."""
        for node, following in zip(self.tree.body, self.tree.body[1:], strict=False):
            match node, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ) if not name.startswith("_") and not isinstance(value, (ast.Constant, ast.Dict)):
                    yield Term(f"{name} = {self._text(value)}", _joined(text))
                case (
                    ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=int(number))),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    yield Term(f"{name} = {number}", _joined(text))

    def _meanings(self, version: int) -> Iterator[Term]:
        rules = {function for _, _, function in self._kinds(version)}
        for name, node in self.functions.items():
            if not name.startswith(("_", *_PLUMBING)) and name not in rules:
                yield Term(name, _joined(_docstring(node)), "" if rules else self._program(node))

    def _program(self, function: ast.FunctionDef) -> str:
        """The lines of a function after its docstring, as they stand."""
        lines = self.source.splitlines()[function.body[1].lineno - 1 : function.end_lineno]
        return textwrap.dedent("\n".join(lines))

    def _text(self, node: ast.AST) -> str:
        """The source of an expression on one line."""
        return " ".join((ast.get_source_segment(self.source, node) or "").split())


def _docstring(node: ast.Module | ast.FunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _calls(function: ast.FunctionDef) -> list[ast.Call]:
    """The calls of a function in the order of the text; an inner call comes before the one that takes its value."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))


def _assigned(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Local names and the expressions that they stand for; what was looked up and found counts as itself."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="require_found"), args=args)
            ):
                yield name, args[0]
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=True):
                    if isinstance(target, ast.Name):
                        yield target.id, value


def _figures() -> Iterator[Term]:
    for name, figure in FIGURES.items():
        who = "given by the genesis for good" if figure.is_fixed else "changed by the regulator"
        text = f"{figure.about}. From {figure.low} to {figure.high}, {who}. Since {figure.since}; {figure.source}."
        yield Term(f"{name} = {figure.default}", text)


def _joined(text: str) -> str:
    return " ".join(text.split())


def _filled(text: str, indent: str = "") -> str:
    paragraphs = [_joined(paragraph) for paragraph in text.split("\n\n")]
    return "\n\n".join(
        textwrap.fill(
            paragraph, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
        )
        for paragraph in paragraphs
    )


def _term_lines(terms: Iterable[Term]) -> Iterator[str]:
    for term in terms:
        yield f"  {term.name}"
        yield _filled(term.text, "      ")
        if term.program:
            yield textwrap.indent(term.program, " " * 10)


def _clause_lines(clause: Clause) -> Iterator[str]:
    yield f"  {clause.number:5} Refused: {clause.reason}."
    yield _hanging("must hold: ", clause.condition)
    for name, value in clause.words:
        yield _hanging(f"  {name}: ", value)


def _hanging(label: str, text: str, indent: str = " " * 8) -> str:
    return textwrap.fill(
        f"{label}{text}", WIDTH, initial_indent=indent, subsequent_indent=indent + " " * 4,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip

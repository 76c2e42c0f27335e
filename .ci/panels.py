"""What Grafana would ask Prometheus of a dashboard: its panels' targets, variables and annotations, with variables replaced in
them as Grafana's data source for Prometheus replaces them."""

import collections
import json
import math
import re

from running import ROOT, Failed

FOLDER = ROOT / "dashboards"

# What the data source would be told of a scene's scrapes. Grafana's steps are no shorter, and its $__rate_interval is four of
# them.
SCRAPE_SECONDS = 2

# Ask nobody.
SILENT_PANELS = {"row", "text"}


def load():
    """The dashboards by the names of their files."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    if not found:
        raise Failed(f"there is no dashboard in {FOLDER.relative_to(ROOT)}/")
    return found


def panels(dashboard):
    """All of them, those of collapsed rows too."""
    for panel in dashboard.get("panels", []):
        yield panel
        yield from panel.get("panels", [])


def variables(dashboard):
    return dashboard.get("templating", {}).get("list", [])


def escaped(value):
    """As part of a regular expression within a string of PromQL."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\"))


class Choice:
    """What is chosen of a variable: one value, several, or the text that stands for all."""

    def __init__(self, variable, values):
        self.is_plain = not variable.get("multi") and not variable.get("includeAll")
        self.all = variable.get("allValue")
        self.values = values

    def text(self, form):
        if self.all:
            return self.all
        if form in ("pipe", "raw", "csv"):
            return {"pipe": "|", "raw": ",", "csv": ","}[form].join(self.values)
        if form not in ("", "regex"):
            raise Failed(f"the format {form} of a variable is not known here; see .ci/panels.py")
        if self.is_plain and not form:
            return self.values[0].replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
        texts = [escaped(value) for value in self.values]
        return texts[0] if len(texts) == 1 else f"({'|'.join(texts)})"

    def has(self, value):
        """Whether that was chosen."""
        return bool(self.all) or value in self.values


def builtins(begin, end, step, scrape=SCRAPE_SECONDS):
    """What Grafana's own variables are, over this time and at this step, where `scrape` is what the data source was told of its
    scrapes."""
    whole = max(1, round(end - begin))
    rate = max(step + scrape, 4 * scrape)
    seconds = {"__interval": step, "__rate_interval": rate, "__range": whole}
    found = {name: f"{value}s" for name, value in seconds.items()}
    found |= {f"{name}_ms": str(value * 1000) for name, value in seconds.items()}
    return found | {
        "__range_s": str(whole),
        "__from": str(round(begin * 1000)),
        "__to": str(round(end * 1000)),
    }


def replaced(text, choices, own):
    """The text with its variables replaced, by Grafana's `own` or by what was chosen."""

    def replace(match):
        name, form = match["name"] or match["plain"] or match["old"], match["form"] or ""
        if name in own:
            return own[name]
        if name in choices:
            return choices[name].text(form)
        raise Failed(f"there is no variable {name}")

    pattern = r"\$\{(?P<name>[A-Za-z_]\w*)(?::(?P<form>\w+))?\}|\$(?P<plain>[A-Za-z_]\w*)|\[\[(?P<old>\w+)\]\]"
    return re.sub(pattern, replace, text)


class Asker:
    """Asks the Prometheus of a scene what Grafana would, over the time from `begin` to `end`."""

    def __init__(self, scene, begin, end):
        self.scene = scene
        self.begin = begin
        self.end = end

    def replaced(self, text, choices, step=SCRAPE_SECONDS):
        return replaced(text, choices, builtins(self.begin, self.end, step))

    def values(self, variable, choices):
        """What may be chosen of a variable."""
        kind, query = variable["type"], variable.get("query", "")
        if kind == "datasource":
            return ["scene"]
        if kind in ("custom", "interval"):
            return [value.split(" : ")[-1].strip() for value in query.split(",")]
        if kind in ("constant", "textbox"):
            return [query]
        if kind != "query":
            raise Failed(f"the type {kind} of a variable is not known here; see .ci/panels.py")
        text = query if isinstance(query, str) else query["query"]
        text = self.replaced(text, choices)
        if found := re.fullmatch(r"label_values\((?:(?P<of>.+),\s*)?(?P<label>\w+)\)", text.strip()):
            span = {"start": self.begin, "end": self.end}
            if found["of"]:
                span["match[]"] = found["of"]
            values = self.scene.query(f"label/{found['label']}/values", **span)
        else:
            raise Failed(f"a variable's query is of a kind that is not known here: {text}")
        if pattern := variable.get("regex"):
            matches = [re.search(pattern.strip("/"), value) for value in values]
            values = [(match[1] if match.groups() else match[0]) for match in matches if match]
        return sorted(values)

    def choices(self, dashboard, chosen=None):
        """A choice for each variable: what was `chosen`, all where that may be, else each in turn: so there may be several
        sets of choices."""
        sets = [{}]
        for variable in variables(dashboard):
            sets = [more for one in sets for more in self.chosen(variable, one, chosen or {})]
        return sets

    def chosen(self, variable, choices, chosen):
        name = variable["name"]
        values = self.values(variable, choices)
        if not values:
            raise Failed(f"the variable {name} has nothing to choose from")
        if name in chosen:
            wanted = [[chosen[name]]]
        elif variable.get("includeAll"):
            return [choices | {name: Choice(variable, values)}]
        else:
            wanted = [[value] for value in values]
        return [choices | {name: Choice(variable | {"allValue": None}, one)} for one in wanted]

    def ways(self, dashboard):
        """Ways to choose, each with its sets of choices: all of everything, and of each variable of which several can be chosen
        every single value, and every two that are neighbours."""
        everything = self.choices(dashboard)
        ways = collections.defaultdict(list, {"All": everything})
        for variable in variables(dashboard):
            if not variable.get("multi"):
                continue
            name, narrow = variable["name"], variable | {"allValue": None}
            for choices in everything:
                values = self.values(variable, choices)
                for words, wanted in (("one", zip(values)), ("two", zip(values, values[1:]))):
                    ways[f"{words} of the variable {name}"] += [choices | {name: Choice(narrow, list(some))} for some in wanted]
        return {way: sets for way, sets in ways.items() if sets}

    def ask(self, target, choices, step=SCRAPE_SECONDS):
        """Prometheus's answers to one target: of one moment, of a time, or both."""
        expression = self.replaced(target["expr"], choices, step)
        answers = []
        if target.get("instant"):
            answers.append(self.scene.query("query", query=expression, time=self.end))
        if target.get("range") or not target.get("instant"):
            span = {"start": self.begin, "end": self.end, "step": step}
            answers.append(self.scene.query("query_range", query=expression, **span))
        return answers


def besides(answer, expression, choices):
    """The labels of an answer that say something else than what was chosen, of the variables that the expression has."""
    if answer["resultType"] == "scalar":
        return set()
    used = [name for name in choices if re.search(rf"\$\{{?{name}\b", expression)]
    told = [(name, one["metric"][name]) for one in answer["result"] for name in used if name in one["metric"]]
    return {f"{name} {value}" for name, value in told if not choices[name].has(value)}


def finite(answer):
    """How many of an answer's series have a number that is one."""
    if answer["resultType"] == "scalar":
        return int(math.isfinite(float(answer["result"][1])))
    series = [one.get("values") or [one["value"]] for one in answer["result"]]
    return sum(any(math.isfinite(float(value)) for _, value in points) for points in series)

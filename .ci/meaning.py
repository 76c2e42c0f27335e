#!/usr/bin/env python3
"""Checks that panels mean what they say.

The cases in tests/dashboards/meaning say what there is to scrape, and what a panel then has to give. They name the panel in place
of an expression, and are run by promtool as tests of rules are, with the variables replaced as Grafana would. A file of cases is
what promtool reads as a test file, but for this:

- in place of `promql_expr_test` a test has `panels`, each with its `dashboard` (a file's name without its end), its `title`, where
  there are two of that title its `type`, the `target` (A, unless said), when it is looked at (`at`; the test's, unless said), over
  which `range` (1h), at which `step` (15s), what is chosen of variables (`choose`: a value or some; All, unless said), and what it
  `gives`: values by labels;
- `input_series` may have lists within, so that series can be given a name and be there in several tests;
- of a series, or of a value that is given, there are several with `each: [first, last]`: these numbers, one after the other, are
  put in for `<n>`;
- `rules: true` has the shipped rules evaluated beside, each minute.
"""

import collections
import concurrent.futures
import difflib
import json
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import panels  # noqa: E402
import yaml  # noqa: E402
from running import ENVIRONMENT, ROOT, Failed  # noqa: E402

CASES = ROOT / "tests" / "dashboards" / "meaning"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
# What promtool is given stays there, to be looked at.
MADE = ROOT / "target" / "tmp" / "meaning"

# As the examples in deploy/ have it.
SCRAPE_SECONDS = 15

TEST_KEYS = {"name", "interval", "input_series", "rules", "at", "panels"}
PANEL_KEYS = {"dashboard", "title", "type", "target", "at", "range", "step", "choose", "gives"}

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def seconds(duration):
    parts = re.findall(r"(\d+)([smhd])", str(duration))
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise Failed(f"{duration!r} is no duration such as 1h30m")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def known(keys, allowed, what):
    if unknown := keys - allowed:
        raise Failed(f"{what} has no {', '.join(sorted(unknown))}; it may have {', '.join(sorted(allowed))}")


def nearest(name, names):
    near = difflib.get_close_matches(name, sorted(set(names)), 3, 0.3)
    return f"the nearest are {', '.join(map(repr, near))}" if near else f"there are {', '.join(map(repr, sorted(set(names))))}"


def target_of(dashboards, case):
    """The dashboard and the target that a case names."""
    name, title, letter = case["dashboard"], case["title"], case.get("target", "A")
    if name not in dashboards:
        raise Failed(f"there is no dashboard {name!r}; {nearest(name, dashboards)}")
    dashboard = dashboards[name]
    asking = [panel for panel in panels.panels(dashboard) if panel.get("targets")]
    found = [panel for panel in asking if panel["title"] == title and case.get("type", panel["type"]) == panel["type"]]
    if not found:
        raise Failed(f"{name}.json has no panel {title!r} any more; {nearest(title, (panel['title'] for panel in asking))}")
    if len(found) > 1:
        raise Failed(f"{name}.json has several panels {title!r}: say which `type`, {', '.join(one['type'] for one in found)}")
    targets = {target["refId"]: target for target in found[0]["targets"]}
    if letter not in targets:
        raise Failed(f"{name}.json, panel {title!r} has no target {letter} any more; it has {', '.join(targets)}")
    return dashboard, targets[letter]


def choices_of(dashboard, chosen):
    variables = {variable["name"]: variable for variable in panels.variables(dashboard)}
    if unknown := chosen.keys() - variables.keys():
        raise Failed(f"there is no variable {', '.join(unknown)}; {nearest(min(unknown), variables)}")
    choices = {}
    for name, variable in variables.items():
        if name in chosen:
            values = chosen[name] if isinstance(chosen[name], list) else [chosen[name]]
            if len(values) > 1 and not variable.get("multi"):
                raise Failed(f"of the variable {name} one value can be chosen")
            choices[name] = panels.Choice(variable | {"allValue": None}, values)
        elif variable.get("includeAll"):
            choices[name] = panels.Choice(variable, [])
        elif variable["type"] == "textbox":
            choices[name] = panels.Choice(variable, [variable.get("query", "")])
    return choices


class Look:
    """One panel's target, as it is looked at in one test."""

    def __init__(self, dashboards, test, case):
        known(case.keys(), PANEL_KEYS, "a panel")
        dashboard, self.target = target_of(dashboards, case)
        chosen = case.get("choose", {})
        self.key = (case["dashboard"], case["title"], self.target["refId"])
        of = "".join(f", {name} {' + '.join(value) if isinstance(value, list) else value}" for name, value in chosen.items())
        self.words = "{}.json, panel {!r}, target {}".format(*self.key) + of
        self.at = case.get("at", test.get("at"))
        if self.at is None:
            raise Failed(f"{self.words}: it does not say `at` which time")
        end, step = seconds(self.at), seconds(case.get("step", "15s"))
        own = panels.builtins(end - seconds(case.get("range", "1h")), end, step, SCRAPE_SECONDS)
        self.expression = panels.replaced(self.target["expr"], choices_of(dashboard, chosen), own)
        self.gives = case["gives"]

    def for_promtool(self):
        samples = []
        for labels, value in self.gives.items():
            several = {"labels": labels} | (value if isinstance(value, dict) else {"value": value})
            samples += [{"labels": one["labels"], "value": float(one["value"])} for one in numbered(several)]
        return {"expr": self.expression, "eval_time": self.at, "exp_samples": samples}


class Test:
    """What there is to scrape, and who looks at it."""

    def __init__(self, file, dashboards, test):
        known(test.keys(), TEST_KEYS, "a test")
        self.test = test
        self.file = file
        self.has_rules = test.get("rules", False)
        self.series = flat(test["input_series"])
        self.looks = [Look(dashboards, test, case) for case in test["panels"]]

    def for_promtool(self):
        return {
            "name": self.test["name"],
            "interval": self.test["interval"],
            "input_series": self.series,
            "promql_expr_test": [look.for_promtool() for look in self.looks],
        }


def flat(series):
    """All series of a test, each by itself."""
    found = [one for part in series for one in (flat(part) if isinstance(part, list) else numbered(part))]
    for one in found:
        if not isinstance(one["values"], str):
            raise Failed(f"{one['series']}: its values are a number to YAML, as 0x60 is, which is 96; quote them")
    return found


def numbered(one):
    """What is there for `each` number, with the number put in."""
    if not isinstance(one, dict) or "each" not in one:
        return [one]
    first, last = one["each"]
    rest = {key: value for key, value in one.items() if key != "each"}
    return [{key: value.replace("<n>", str(n)) for key, value in rest.items()} for n in range(first, last + 1)]


def load(dashboards):
    found = []
    for path in sorted(CASES.glob("*.yml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            try:
                found.append(Test(path.stem, dashboards, test))
            except (Failed, KeyError) as failure:
                lacks = f"it does not say {failure}" if isinstance(failure, KeyError) else failure
                raise Failed(f"{path.relative_to(ROOT)}: {test.get('name')}: {lacks}") from failure
    if not found:
        raise Failed(f"there are no cases in {CASES.relative_to(ROOT)}")
    return found


def complaints(name, has_rules, tests):
    """What promtool complains of, with the panels in place of their expressions."""
    made = MADE / f"{name}{'-with-rules' if has_rules else ''}.yml"
    told = {"rule_files": [str(RULES)] if has_rules else [], "evaluation_interval": "1m"}
    made.write_text(yaml.safe_dump(told | {"tests": [test.for_promtool() for test in tests]}, allow_unicode=True, sort_keys=False))
    ran = subprocess.run(["promtool", "test", "rules", made], capture_output=True, text=True, env=ENVIRONMENT)
    if ran.returncode == 0:
        return None
    text = ran.stdout + ran.stderr
    words = collections.defaultdict(set)
    for look in (look for test in tests for look in test.looks):
        words[look.expression].add(look.words)
    for expression, panels_ in words.items():
        text = text.replace(f"expr: {json.dumps(expression, ensure_ascii=False)}", " and ".join(sorted(panels_)))
    return f"{text.rstrip()}\n    (the cases of {name}.yml, as promtool reads them: {made.relative_to(ROOT)})"


def check(dashboards, tests):
    """Runs them all, and raises what fails; otherwise says what was tried."""
    MADE.mkdir(parents=True, exist_ok=True)
    groups = collections.defaultdict(list)
    for test in tests:
        groups[test.file, test.has_rules].append(test)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        told = list(pool.map(lambda group: complaints(*group[0], group[1]), groups.items()))
    if failed := [one for one in told if one]:
        raise Failed("panels do not mean what they say:\n" + "\n".join(failed))
    tried = {look.key for test in tests for look in test.looks}
    number = sum(len(panel.get("targets", [])) for dashboard in dashboards.values() for panel in panels.panels(dashboard))
    return f"{len(tried)} of {number} expressions give what they should in {len(tests)} cases"


def main():
    dashboards = panels.load()
    print(f"dashboards: {check(dashboards, load(dashboards))}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        print(f"dashboards: FAILED: {failure}", flush=True)
        sys.exit(1)

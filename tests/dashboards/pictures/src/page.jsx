// A dashboard as a page: `window.shown` says of each panel what became of it, once all are there.

import { dateTime } from '@grafana/data';
import { GlobalStyles, PanelChrome, PortalContainer, ThemeContext } from '@grafana/ui';
import { Component } from 'react';
import { createRoot } from 'react-dom/client';

import { prepare, theme } from './fields.js';
import { frames, isEmpty } from './frames.js';
import { KINDS } from './panels.jsx';

const WIDTH = 1400;
const COLUMN = WIDTH / 24;
// As Grafana lays panels out.
const ROW = 38;
const GAP = 8;
const HEAD = 48;
// Grafana's own stat panels need no "No data" of ours: they say what `noValue` says.
const SAY_THEMSELVES = new Set(['stat', 'bargauge', 'text']);

// Text in canvases is not drawn anew once its font is there.
const font = new FontFace('Inter', 'url(/public/fonts/inter/Inter-Regular.woff2)', { weight: '100 900' });
document.fonts.add(await font.load());

const { dashboard, name, range: given, variables, panels: asked } = await (await fetch('data.json')).json();
const from = dateTime(given.from * 1000);
const to = dateTime(given.to * 1000);
const range = { from, to, raw: { from, to } };

const replaceVariables = (text = '') =>
  text.replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)/g, (all, braced, plain) => variables[braced ?? plain] ?? all);

const shown = {};

class Guard extends Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    shown[this.props.id].error = String(error);
  }

  render() {
    return this.state.error ? <div>{String(this.state.error)}</div> : this.props.children;
  }
}

async function panel(one) {
  const Kind = KINDS[one.type];
  const found = (shown[one.id] = { title: one.title, type: one.type });
  if (!Kind) {
    found.error = `a panel of the type ${one.type} is not known here`;
    return null;
  }
  const questions = asked[one.id] ?? [];
  let prepared = { data: [], fieldConfig: one.fieldConfig };
  try {
    prepared = await prepare(one, frames(questions), replaceVariables);
  } catch (error) {
    found.error = String(error);
  }
  found.empty = one.type !== 'text' && isEmpty(prepared.data);
  const { x, y, w, h } = one.gridPos;
  const width = w * COLUMN - GAP;
  const height = h * ROW - GAP;
  const says = found.empty && !SAY_THEMSELVES.has(one.type);
  return (
    <div key={one.id} style={{ position: 'absolute', left: x * COLUMN + GAP / 2, top: y * ROW + HEAD, width, height }}>
      <PanelChrome title={replaceVariables(one.title)} description={one.description} width={width} height={height}>
        {(innerWidth, innerHeight) => (
          <Guard id={one.id}>
            {says ? (
              <div className="nothing">{one.fieldConfig?.defaults.noValue ?? 'No data'}</div>
            ) : (
              <Kind
                {...prepared}
                options={one.options ?? {}}
                range={range}
                step={questions[0]?.step}
                replaceVariables={replaceVariables}
                width={innerWidth}
                height={innerHeight}
              />
            )}
          </Guard>
        )}
      </PanelChrome>
    </div>
  );
}

const row = ({ id, title, gridPos }) => (
  <h6 key={id} style={{ position: 'absolute', left: GAP, top: gridPos.y * ROW + HEAD + 6, margin: 0, fontSize: 16 }}>
    {replaceVariables(title)}
  </h6>
);

const all = dashboard.panels.flatMap((one) => [one, ...(one.panels ?? [])]);
const inside = await Promise.all(all.map((one) => (one.type === 'row' ? row(one) : panel(one))));
const bottom = Math.max(...all.map(({ gridPos }) => gridPos.y + gridPos.h));
const chosen = (dashboard.templating?.list ?? []).filter((variable) => variable.type !== 'datasource' && !variable.hide);

function Page() {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PortalContainer />
      <div id="dashboard" style={{ position: 'relative', width: WIDTH, height: bottom * ROW + HEAD, background: theme.colors.background.canvas }}>
        <div className="head">
          <b>{dashboard.title}</b>
          {chosen.map((variable) => (
            <span key={variable.name}>
              {variable.label ?? variable.name} <i>{variables[variable.name]}</i>
            </span>
          ))}
        </div>
        {inside}
      </div>
    </ThemeContext.Provider>
  );
}

document.title = name;
createRoot(document.getElementById('root')).render(<Page />);
window.shown = shown;

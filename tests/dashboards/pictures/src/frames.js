// Prometheus's answers as Grafana's data source for it would hand them to a panel.

import { FieldType, getFieldDisplayName } from '@grafana/data';

/** `NaN`, and infinities, are numbers; what is not there is `null`. */
const number = (text) => ({ '+Inf': Infinity, '-Inf': -Infinity }[text] ?? Number(text));

const points = (series) => series.values ?? [series.value];

/** The same with a `null` in each gap, as Grafana puts one wherever a step is missing. */
const gapped = (values, step) =>
  values.flatMap(([at, value], index) => {
    const before = values[index - 1]?.[0];
    return before !== undefined && at - before > 1.5 * step ? [[before + step, null], [at, value]] : [[at, value]];
  });

const metric = ({ __name__: name = '', ...labels }) =>
  `${name}{${Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(', ')}}`;

/** What a series is called, if not by its labels: "" then. */
function legend(target, labels) {
  const format = target.legendFormat;
  if (!format || format === '__auto') {
    if (Object.keys(labels).length === 0) return target.expr;
    return format === '__auto' ? '' : metric(labels);
  }
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? '');
}

const timeField = (times, step) => ({
  name: 'Time',
  type: FieldType.time,
  config: step ? { interval: step * 1000 } : {},
  values: times,
});

function timeSeries(target, answer, step) {
  if (answer.resultType === 'scalar') {
    answer = { result: [{ metric: {}, value: answer.result }] };
  }
  return answer.result.map((series) => {
    const { metric: labels } = series;
    const name = legend(target, labels);
    const values = gapped(points(series), step);
    return {
      refId: target.refId,
      name: name || metric(labels),
      fields: [
        timeField(values.map(([at]) => at * 1000), series.values && step),
        {
          name: 'Value',
          type: FieldType.number,
          labels,
          config: name ? { displayNameFromDS: name } : {},
          values: values.map(([, value]) => (value === null ? null : number(value))),
        },
      ],
      length: values.length,
    };
  });
}

function table(target, answer, isOneOfSeveral) {
  const names = [...new Set(answer.result.flatMap((series) => Object.keys(series.metric)))].sort();
  const rows = answer.result.flatMap((series) => points(series).map(([at, value]) => ({ at, value, labels: series.metric })));
  const fields = [
    timeField(rows.map((row) => row.at * 1000)),
    ...names.map((name) => ({
      name,
      type: FieldType.string,
      config: { filterable: true },
      values: rows.map((row) => row.labels[name] ?? ''),
    })),
    {
      name: isOneOfSeveral ? `Value #${target.refId}` : 'Value',
      type: FieldType.number,
      config: {},
      values: rows.map((row) => number(row.value)),
    },
  ];
  return { refId: target.refId, fields: rows.length ? fields : [], length: rows.length };
}

/** One row of cells per bucket: how many are in it that are not in the one below. */
function heatmap(target, answer, step) {
  const order = (series) => number(series.metric.le ?? 'NaN');
  const buckets = [...answer.result].sort((a, b) => order(a) - order(b));
  const times = [...new Set(buckets.flatMap((series) => points(series).map(([at]) => at)))].sort((a, b) => a - b);
  let below = times.map(() => 0);
  const fields = buckets.map((series) => {
    const at = new Map(points(series).map(([time, value]) => [time, number(value)]));
    const cumulative = times.map((time, index) => at.get(time) ?? below[index]);
    const values = cumulative.map((value, index) => value - below[index]);
    below = cumulative;
    return { name: series.metric.le ?? 'Value', type: FieldType.number, labels: series.metric, config: {}, values };
  });
  const time = timeField(times.map((at) => at * 1000), step);
  return { refId: target.refId, meta: { type: 'heatmap-rows' }, fields: fields.length ? [time, ...fields] : [], length: times.length };
}

/** All frames of a panel. */
export function frames(asked) {
  const tables = new Set(asked.filter(({ target }) => target.format === 'table').map(({ target }) => target.refId));
  return asked.flatMap(({ target, answers, step }) =>
    answers.flatMap((answer) => {
      if (target.format === 'table') return [table(target, answer, tables.size > 1)];
      if (target.format === 'heatmap') return [heatmap(target, answer, step)];
      return timeSeries(target, answer, step);
    }),
  );
}

/** Whether there is anything to show in them. */
export const isEmpty = (some) =>
  !some.some((frame) =>
    frame.fields.some((field) => field.type !== FieldType.time && field.values.some((value) => value !== null && value !== '' && !Number.isNaN(value))),
  );

export const displayName = getFieldDisplayName;

// Two kinds of panel whose drawing is in Grafana itself and in none of its packages: states over time, and heatmaps. Axes, scales
// and colours are Grafana's here too; the boxes are drawn by us.

import { FieldType, colorManipulator } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation, VisibilityMode } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, VizLegend } from '@grafana/ui';
import * as chromatic from 'd3-scale-chromatic';
import { useMemo } from 'react';

import { theme, timeZone } from './fields.js';
import { displayName } from './frames.js';

const LEGEND_HEIGHT = 28;

// Schemes that are right for a dark theme as they are; the others go the other way round there, so that little is dark.
const AS_THEY_ARE = new Set(['Turbo', 'Cividis', 'Viridis', 'Magma', 'Inferno', 'Plasma', 'Warm', 'Cool', 'Cubehelix', 'CubehelixDefault', 'Rainbow', 'Sinebow']);

/** Time from left to right, and rows with names from top to bottom, which `draw` fills. */
function Rows({ names, range, width, height, axisWidth, draw }) {
  const config = useMemo(() => {
    const builder = new UPlotConfigBuilder(timeZone);
    const rows = names.length;
    builder.addScale({
      scaleKey: 'x',
      isTime: true,
      orientation: ScaleOrientation.Horizontal,
      direction: ScaleDirection.Right,
      range: () => [range.from.valueOf(), range.to.valueOf()],
    });
    builder.addScale({
      scaleKey: 'y',
      isTime: false,
      orientation: ScaleOrientation.Vertical,
      direction: ScaleDirection.Up,
      range: () => [0, rows],
    });
    builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme, grid: { show: false } });
    builder.addAxis({
      scaleKey: 'y',
      placement: AxisPlacement.Left,
      theme,
      size: axisWidth,
      grid: { show: false },
      ticks: { show: false },
      splits: () => names.map((_, row) => rows - row - 0.5),
      values: () => names,
    });
    builder.addSeries({ scaleKey: 'y', theme, show: true, pxAlign: false, lineWidth: 0, fillOpacity: 0, showPoints: VisibilityMode.Never });
    builder.addHook('draw', (plot) => {
      const box = (row, from, to, color, gap) => {
        const left = Math.max(plot.valToPos(from, 'x', true), plot.bbox.left);
        const right = Math.min(plot.valToPos(to, 'x', true), plot.bbox.left + plot.bbox.width);
        const top = plot.valToPos(rows - row, 'y', true) + gap;
        const bottom = plot.valToPos(rows - row - 1, 'y', true) - gap;
        plot.ctx.fillStyle = color;
        plot.ctx.fillRect(left, top, Math.max(right - left, 1), bottom - top);
        return { left, right, top, bottom };
      };
      plot.ctx.save();
      draw(plot.ctx, box);
      plot.ctx.restore();
    });
    return builder;
  }, [names, range, draw]);
  const data = [[range.from.valueOf(), range.to.valueOf()], [null, null]];
  return <UPlotChart config={config} data={data} width={width} height={height} />;
}

/** From when to when a value held, of each field. */
function spans(frame, field, step) {
  const times = frame.fields.find((one) => one.type === FieldType.time).values;
  const found = [];
  field.values.forEach((value, index) => {
    if (value === null || value === undefined) return;
    const last = found.at(-1);
    const from = times[index];
    // A point that is missing is a gap.
    const to = Math.min(times[index + 1] ?? Infinity, from + step * 1.5);
    if (last && last.value === value && from <= last.to) last.to = to;
    else found.push({ value, from, to });
  });
  return found;
}

export function StateTimeline({ data, options, range, step, width, height }) {
  const rows = data.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type !== FieldType.time)
      .map((field) => ({ name: displayName(field, frame, data), field, spans: spans(frame, field, step * 1000) })),
  );
  const shown = new Map();
  for (const row of rows) {
    for (const span of row.spans) {
      const display = row.field.display(span.value);
      Object.assign(span, { text: display.text, color: display.color });
      shown.set(display.text, display.color);
    }
  }
  const hasLegend = options.legend?.showLegend !== false;
  const names = rows.map((row) => row.name);
  const axisWidth = Math.min(Math.max(...names.map((name) => name.length), 4) * 6.5 + 16, width / 2);
  const draw = (ctx, box) => {
    ctx.font = `${12 * devicePixelRatio}px ${theme.typography.fontFamily}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    rows.forEach((row, index) => {
      for (const span of row.spans) {
        const alpha = (row.field.config.custom.fillOpacity ?? 70) / 100;
        const edge = ((1 - (options.rowHeight ?? 0.9)) * height) / rows.length / 2;
        const place = box(index, span.from, span.to, colorManipulator.alpha(span.color ?? '#888', alpha), Math.max(edge, 1));
        const room = place.right - place.left - 8;
        if (options.showValue === 'never' || ctx.measureText(span.text).width > room) continue;
        ctx.fillStyle = theme.colors.getContrastText(span.color ?? '#888');
        ctx.fillText(span.text, place.left + 4, (place.top + place.bottom) / 2);
      }
    });
  };
  const chart = height - (hasLegend ? LEGEND_HEIGHT : 0);
  return (
    <>
      <Rows names={names} range={range} width={width} height={chart} axisWidth={axisWidth} draw={draw} />
      {hasLegend && (
        <VizLegend
          placement="bottom"
          displayMode="list"
          items={[...shown].map(([label, color]) => ({ label, color: color ?? '#888', yAxis: 1 }))}
        />
      )}
    </>
  );
}

export function Heatmap({ data, options, range, step, width, height }) {
  const [frame] = data;
  const times = frame.fields[0].values;
  // From the largest bucket, on top, to the smallest.
  const buckets = frame.fields.slice(1).reverse();
  const unit = options.yAxis?.unit;
  const names = buckets.map((field) => (unit === 's' && Number.isFinite(Number(field.name)) ? `${field.name} s` : field.name));
  const most = Math.max(...buckets.flatMap((field) => field.values));
  const { scheme = 'Oranges', exponent = 0.5, steps = 64, reverse = false, mode } = options.color ?? {};
  const paint = chromatic[`interpolate${scheme}`] ?? chromatic.interpolateOranges;
  const shade = (value) => {
    const share = Math.round((value / most) ** exponent * (steps - 1)) / (steps - 1);
    if (mode === 'opacity') return colorManipulator.alpha(theme.visualization.getColorByName(options.color.fill), share);
    return paint(reverse !== AS_THEY_ARE.has(scheme) ? share : 1 - share);
  };
  const least = options.filterValues?.le ?? 1e-9;
  const draw = (_, box) =>
    buckets.forEach((field, row) =>
      field.values.forEach((value, index) => {
        if (value > least) box(row, times[index] - step * 1000, times[index], shade(value), (options.cellGap ?? 1) / 2);
      }),
    );
  return <Rows names={names} range={range} width={width} height={height} axisWidth={64} draw={draw} />;
}

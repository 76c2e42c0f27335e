// A panel's inside, by its type.

import { FieldType, VizOrientation, getDisplayValueAlignmentFactors, getFieldDisplayValues, renderMarkdown } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

import { Heatmap, StateTimeline } from './charts.jsx';
import { theme, timeZone } from './fields.js';

function values({ data, fieldConfig, options, replaceVariables, range }, isSparkline) {
  const reduceOptions = { calcs: ['lastNotNull'], ...options.reduceOptions };
  return getFieldDisplayValues({ data, fieldConfig, reduceOptions, replaceVariables, theme, timeZone, sparkline: isSparkline }).map(
    (value) => {
      if (value.sparkline) value.sparkline.timeRange = range;
      return value;
    },
  );
}

const ORIENTATIONS = { horizontal: VizOrientation.Horizontal, vertical: VizOrientation.Vertical };

function Repeated({ shown, options, width, height, autoGrid, render }) {
  return (
    <VizRepeater
      source={shown}
      getValues={() => shown}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={render}
      renderCounter={0}
      width={width}
      height={height}
      autoGrid={autoGrid}
      itemSpacing={3}
      orientation={ORIENTATIONS[options.orientation] ?? VizOrientation.Auto}
    />
  );
}

function Stat(props) {
  const { options } = props;
  const shown = values(props, options.graphMode && options.graphMode !== 'none');
  return (
    <Repeated
      {...props}
      autoGrid
      shown={shown}
      render={({ value, alignmentFactors, width, height, count }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          colorMode={options.colorMode ?? 'value'}
          graphMode={options.graphMode ?? 'area'}
          justifyMode={options.justifyMode ?? 'auto'}
          textMode={options.textMode ?? 'auto'}
          text={options.text}
          alignmentFactors={alignmentFactors}
          count={count}
          width={width}
          height={height}
          theme={theme}
          disableWideLayout={options.wideLayout === false}
        />
      )}
    />
  );
}

function Bars(props) {
  const { options } = props;
  return (
    <Repeated
      {...props}
      shown={values(props)}
      render={({ value, alignmentFactors, width, height, orientation }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          displayMode={options.displayMode ?? 'gradient'}
          showUnfilled={options.showUnfilled ?? true}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          alignmentFactors={alignmentFactors}
          orientation={orientation}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}

/** As Grafana does before it plots: what is no finite number is a gap. */
const plottable = (field) =>
  field.type === FieldType.number ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) } : field;

function Graph({ data, options, range, width, height }) {
  const frames = data.filter((frame) => frame.length).map((frame) => ({ ...frame, fields: frame.fields.map(plottable) }));
  return (
    <TimeSeries
      frames={frames}
      structureRev={1}
      timeRange={range}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={{ showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...options.legend }}
      options={options}
    />
  );
}

function Table({ data, options, fieldConfig, range, width, height }) {
  return (
    <TableNG
      data={data[options.frameIndex ?? 0] ?? data[0]}
      width={width}
      height={height}
      noHeader={options.showHeader === false}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      frozenColumns={options.frozenColumns?.left}
      fieldConfig={fieldConfig}
      timeRange={range}
      enableVirtualization={false}
      structureRev={1}
    />
  );
}

const Text = ({ options, replaceVariables }) => (
  <div
    className="markdown-html"
    // It is the dashboard's own, made clean by Grafana.
    dangerouslySetInnerHTML={{ __html: renderMarkdown(replaceVariables(options.content)) }}
  />
);

export const KINDS = {
  bargauge: Bars,
  heatmap: Heatmap,
  stat: Stat,
  'state-timeline': StateTimeline,
  table: Table,
  text: Text,
  timeseries: Graph,
};

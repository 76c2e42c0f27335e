// What a dashboard's JSON may hold: Grafana's own types, and where they say "anything" (a panel's options, its fields' custom
// settings, its targets) the types of that kind of panel.

import type {
  AnnotationQuery,
  Dashboard as AnyDashboard,
  DataQuery,
  FieldConfig as AnyFieldConfig,
  MatcherConfig,
  Panel as AnyPanel,
  RowPanel,
} from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as statetimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as statushistory from '@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A type as JSON has it: members of an enum are their values. */
export type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number
      ? number extends T
        ? number
        : `${T}` extends `${infer N extends number}`
          ? N
          : never
      : T extends readonly (infer One)[]
        ? Plain<One>[]
        : T extends object
          ? { [Key in keyof T]: Plain<T[Key]> }
          : T;

/** The same, where Grafana fills in what is missing. */
type Filled<T> = T extends readonly (infer One)[] ? One[] : T extends object ? { [Key in keyof T]?: Filled<T[Key]> } : T;

type Optional<T> = Filled<Plain<T>>;

/** What Grafana's data source for Prometheus reads of a target. */
interface Target extends Plain<DataQuery> {
  datasource?: { type: 'prometheus'; uid: string };
  expr: string;
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
  legendFormat?: string;
  interval?: string;
  intervalFactor?: number;
  editorMode?: 'code' | 'builder';
}

type Field = Omit<AnyFieldConfig, 'custom'>;

/** One thing that an override sets. */
type Property<Custom> =
  | { [Key in keyof Field]-?: { id: Key; value: Plain<Field>[Key] } }[keyof Field]
  | { [Key in keyof Custom & string]-?: { id: `custom.${Key}`; value: Optional<Custom[Key]> } }[keyof Custom & string];

interface Fields<Custom> {
  defaults: Plain<Field> & { custom?: Optional<Custom> };
  overrides: { matcher: Plain<MatcherConfig>; properties: Property<Custom>[] }[];
}

type Panel<Kind extends string, Options, Custom = object> = Omit<
  Plain<AnyPanel>,
  'type' | 'options' | 'fieldConfig' | 'targets'
> & {
  type: Kind;
  options: Optional<Options>;
  fieldConfig?: Fields<Custom>;
  targets?: Target[];
};

/** By their type; one of a type that is not here is refused. */
export interface Panels {
  bargauge: Panel<'bargauge', bargauge.Options>;
  gauge: Panel<'gauge', gauge.Options>;
  heatmap: Panel<'heatmap', heatmap.Options, heatmap.FieldConfig>;
  row: Plain<RowPanel>;
  stat: Panel<'stat', stat.Options>;
  'state-timeline': Panel<'state-timeline', statetimeline.Options, statetimeline.FieldConfig>;
  'status-history': Panel<'status-history', statushistory.Options, statushistory.FieldConfig>;
  table: Panel<'table', table.Options, table.FieldConfig>;
  text: Panel<'text', text.Options>;
  timeseries: Panel<'timeseries', timeseries.Options, timeseries.FieldConfig>;
}

/** What Grafana's data source for Prometheus reads of an annotation. */
interface Annotation extends Omit<Plain<AnnotationQuery>, 'target'> {
  expr?: string;
  step?: string;
  tagKeys?: string;
  target?: Target;
  textFormat?: string;
  titleFormat?: string;
  useValueForTime?: boolean;
}

/** A whole dashboard. Its panels are looked at one by one beside it. */
export type Dashboard = Omit<Plain<AnyDashboard>, 'annotations'> & { annotations?: { list?: Annotation[] } };

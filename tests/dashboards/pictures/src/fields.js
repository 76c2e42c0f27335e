// Transformations, units, thresholds, colours and overrides, by Grafana's own code from the panel's JSON.

import {
  FieldConfigOptionsRegistry,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  dataLinksOverrideProcessor,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  transformDataFrame,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

export const theme = createTheme({ colors: { mode: 'dark' } });
export const timeZone = 'utc';

// Some are in the list under two names.
const transformers = new Map(Object.values(standardTransformers).map((transformation) => [transformation.id, transformation]));

standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation,
    editor: () => null,
    imageDark: '',
    imageLight: '',
  })),
);

const STANDARD = {
  actions: identityOverrideProcessor,
  color: identityOverrideProcessor,
  decimals: identityOverrideProcessor,
  description: identityOverrideProcessor,
  displayName: identityOverrideProcessor,
  fieldMinMax: identityOverrideProcessor,
  filterable: identityOverrideProcessor,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  max: identityOverrideProcessor,
  min: identityOverrideProcessor,
  noValue: identityOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: identityOverrideProcessor,
};

// What Grafana's panels have where their JSON says nothing.
const CUSTOM = {
  timeseries: {
    axisBorderShow: false,
    axisCenteredZero: false,
    axisColorMode: 'text',
    axisLabel: '',
    axisPlacement: 'auto',
    barAlignment: 0,
    barWidthFactor: 0.6,
    drawStyle: 'line',
    fillOpacity: 0,
    gradientMode: 'none',
    hideFrom: { legend: false, tooltip: false, viz: false },
    insertNulls: false,
    lineInterpolation: 'linear',
    lineWidth: 1,
    pointSize: 5,
    scaleDistribution: { type: 'linear' },
    showPoints: 'auto',
    spanNulls: false,
    stacking: { group: 'A', mode: 'none' },
    thresholdsStyle: { mode: 'off' },
  },
  table: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false },
  'state-timeline': { fillOpacity: 70, lineWidth: 0 },
};

function registry(panel, custom) {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const set = overrides.flatMap((override) => override.properties.map((property) => property.id));
  const unknown = [...Object.keys(defaults), ...set].filter((id) => !id.startsWith('custom') && !(id in STANDARD));
  if (unknown.length) throw new Error(`no such setting of a field: ${unknown}`);
  const customs = new Set([...Object.keys(custom), ...set.filter((id) => id.startsWith('custom.')).map((id) => id.slice(7))]);
  const item = (id, path, process, isCustom) => ({ id, path, name: id, process, isCustom, shouldApply: () => true });
  const found = new FieldConfigOptionsRegistry(() => [
    ...Object.entries(STANDARD).map(([id, process]) => item(id, id, process, false)),
    ...[...customs].map((id) => item(`custom.${id}`, id, identityOverrideProcessor, true)),
  ]);
  return found;
}

/** The frames as the panel is to show them, and its field configuration with what was left out. */
export async function prepare(panel, frames, replaceVariables) {
  const transformations = panel.transformations ?? [];
  const unknown = transformations.filter(({ id }) => !standardTransformersRegistry.getIfExists(id));
  if (unknown.length) throw new Error(`no such transformation: ${unknown.map(({ id }) => id)}`);
  const context = { interpolate: replaceVariables };
  const transformed = await lastValueFrom(transformDataFrame(structuredClone(transformations), frames, context));
  const source = structuredClone(panel.fieldConfig ?? { defaults: {}, overrides: [] });
  const custom = { ...CUSTOM[panel.type], ...source.defaults.custom };
  source.defaults.custom = custom;
  // As in Grafana, steps are from the lowest on, and the first is from minus infinity on.
  const steps = source.defaults.thresholds?.steps;
  if (steps?.length) steps[0].value = -Infinity;
  const data = applyFieldOverrides({
    data: transformed,
    fieldConfig: source,
    fieldConfigRegistry: registry(panel, custom),
    replaceVariables,
    theme,
    timeZone,
  });
  cacheFieldDisplayNames(data);
  return { data, fieldConfig: source };
}

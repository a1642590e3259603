import { checkFeatureSchema } from './feature-schema.ts';
import type { FeatureSchema } from './feature-schema.ts';

/** Version 1 of the bins for embodied carbon. 6 features, 48 bins. */
export const ECEBD_SCHEMA: FeatureSchema = checkFeatureSchema({
  version: 1,
  dataset: 'ecebd',
  provenance:
    'Six features that a practitioner would name beforehand. Terms and edges were written by hand AFTER looking at the public EU-ECB-DB data ' +
    '(its vocabulary, the spread of floor area and users), so on that data set they are public but not blind; fixed before any holder connects.',
  features: [
    {
      name: 'country',
      label: 'Country',
      column: 'site_country',
      kind: 'codebook',
      terms: ['AT', 'BE', 'DE', 'DK', 'FI', 'FR', 'NL'],
    },
    {
      name: 'useSubtype',
      label: 'Use subtype',
      column: 'bldg_use_subtype',
      kind: 'codebook',
      terms: [
        'single-family-house',
        'multi-family-house',
        'row-house',
        'semi-detached',
        'hotel-resort',
        'hospital-and-health',
      ],
    },
    {
      name: 'structureType',
      label: 'Structure',
      column: 'bldg_struct_type',
      kind: 'codebook',
      terms: [
        'massive-brick',
        'massive-concrete',
        'massive-wood',
        'frame-concrete',
        'frame-concrete-wood',
        'frame-steel',
        'frame-wood',
      ],
    },
    {
      name: 'mainMaterial',
      label: 'Main material by mass',
      column: 'inv_mat_1_type',
      kind: 'codebook',
      terms: ['concrete-without-reinforcement', 'concrete-reinforced', 'ceramics', 'timber-wood', 'earth', 'stone'],
    },
    {
      name: 'gfaM2',
      label: 'Gross floor area (m2)',
      column: 'bldg_area_gfa',
      kind: 'log10',
      edges: [2.0, 2.15, 2.5, 3.0, 3.5],
    },
    {
      name: 'userCount',
      label: 'Users',
      column: 'bldg_users_total',
      kind: 'log10',
      edges: [0.45, 0.65, 0.85, 1.3, 1.8],
    },
  ],
});

/** Version 1 of the bins for UCI Energy: the levels of its full factorial design. 8 features, 51 bins. */
export const UCI_ENERGY_SCHEMA: FeatureSchema = checkFeatureSchema({
  version: 1,
  dataset: 'uci-energy',
  provenance:
    'The levels of the published design (12 shapes x 4 orientations x 16 glazings; Tsanas and Xifara 2012, doi 10.1016/j.enbuild.2012.03.003), ' +
    'which are public by construction. Another value is not a building of this design and is rejected.',
  features: [
    {
      name: 'relativeCompactness',
      label: 'Relative compactness',
      column: 'X1',
      kind: 'levels',
      levels: [0.62, 0.64, 0.66, 0.69, 0.71, 0.74, 0.76, 0.79, 0.82, 0.86, 0.9, 0.98],
    },
    {
      name: 'surfaceAreaM2',
      label: 'Surface area (m2)',
      column: 'X2',
      kind: 'levels',
      levels: [514.5, 563.5, 588, 612.5, 637, 661.5, 686, 710.5, 735, 759.5, 784, 808.5],
    },
    {
      name: 'wallAreaM2',
      label: 'Wall area (m2)',
      column: 'X3',
      kind: 'levels',
      levels: [245, 269.5, 294, 318.5, 343, 367.5, 416.5],
    },
    {
      name: 'roofAreaM2',
      label: 'Roof area (m2)',
      column: 'X4',
      kind: 'levels',
      levels: [110.25, 122.5, 147, 220.5],
    },
    { name: 'overallHeightM', label: 'Overall height (m)', column: 'X5', kind: 'levels', levels: [3.5, 7] },
    { name: 'orientation', label: 'Orientation', column: 'X6', kind: 'levels', levels: [2, 3, 4, 5] },
    {
      name: 'glazingAreaRatio',
      label: 'Glazing area over floor area',
      column: 'X7',
      kind: 'levels',
      levels: [0, 0.1, 0.25, 0.4],
    },
    {
      name: 'glazingDistribution',
      label: 'Glazing distribution',
      column: 'X8',
      kind: 'levels',
      levels: [0, 1, 2, 3, 4, 5],
    },
  ],
});

import type { DatasetName } from '@fedcarbon/stock';

/** A published file that the readers of this system were written for. */
export interface Artefact {
  /** Path inside a data folder. */
  readonly path: string;
  /** Lower-case hexadecimal digest of the exact bytes. */
  readonly sha256: string;
  readonly title: string;
  readonly licence: string;
  readonly citation: string;
  /** Where the publisher serves exactly these bytes; null when nobody does. */
  readonly url: string | null;
}

const ECEBD_REPOSITORY = 'mroeck/Embodied-Carbon-of-European-Buildings-Database';
const ECEBD_COMMIT = '212528e231f4ce506f2973bd40643434ee9de777';
const ECEBD_FILE = 'EU-ECB_dataset_feature_engineered.csv';

export const ARTEFACTS: Readonly<Record<DatasetName, Artefact>> = {
  ecebd: {
    path: `ecebd/${ECEBD_FILE}`,
    sha256: 'a2f08fc4683c62f2558b820445707ac7e1e6227cdf4e2a04f2c73a38b1b67bd4',
    title: 'Embodied Carbon of European Buildings Database (EU-ECB-DB)',
    licence: 'CC BY-SA 4.0',
    citation: 'Röck and Sørensen 2022, doi 10.5281/zenodo.6671558',
    url: `https://raw.githubusercontent.com/${ECEBD_REPOSITORY}/${ECEBD_COMMIT}/00_data/3_data_feature_engineered/${ECEBD_FILE}`,
  },
  'uci-energy': {
    path: 'uci-energy/ENB2012_data.csv',
    sha256: '10467ee181e4ddd8bfca1ca174584c7d9881fbd61ddeaf8e14941ac2a110b625',
    title: 'UCI Energy Efficiency (ENB2012)',
    licence: 'CC BY 4.0',
    citation: 'Tsanas and Xifara 2012, archive.ics.uci.edu data set 242',
    // The archive serves a spreadsheet; this CSV is a re-saved form of it.
    url: null,
  },
};

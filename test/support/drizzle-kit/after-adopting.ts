import { patientsThat } from './adopting.ts';

export const patients = patientsThat(undefined);

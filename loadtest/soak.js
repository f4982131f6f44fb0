// Sends mixed traffic at a constant rate for a long time, whatever the server's answers take.
//
// Environment: RATE (200 requests a second), DURATION (10m), MAX_VUS (1000 clients at most), BASE_URL,
// CAMPAIGNS, LATENCY_SCALE. Requests that find no free client are dropped and fail the test.

import { SUMMARY, thresholds } from './lib.js';
import { step } from './mix.js';

const RATE = Number(__ENV.RATE || 200);
const MAX_VUS = Number(__ENV.MAX_VUS || 1000);

export const options = {
  scenarios: {
    soak: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: __ENV.DURATION || '10m',
      preAllocatedVUs: Math.min(MAX_VUS, Math.max(10, Math.ceil(RATE / 2))),
      maxVUs: MAX_VUS,
    },
  },
  summaryTrendStats: SUMMARY,
  thresholds: Object.assign({ dropped_iterations: ['count<1'] }, thresholds({
    click: { p95: 100, p99: 500 },
    conversion: { p95: 100, p99: 500 },
    statistics: { p95: 200, p99: 1000 },
  })),
};

export default step;

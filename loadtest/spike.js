// Sends mixed traffic whose rate jumps from RATE to PEAK and back; no event may be refused for good.
//
// Environment: RATE (100 requests a second), PEAK (2000), HOLD (30s at the peak), MAX_VUS (2000), BASE_URL,
// CAMPAIGNS, LATENCY_SCALE. Here requests may be dropped: past MAX_VUS clients, k6 is what is full.

import { SUMMARY, thresholds } from './lib.js';
import { step } from './mix.js';

const RATE = Number(__ENV.RATE || 100);
const PEAK = Number(__ENV.PEAK || 2000);
const MAX_VUS = Number(__ENV.MAX_VUS || 2000);

export const options = {
  scenarios: {
    spike: {
      executor: 'ramping-arrival-rate',
      startRate: RATE,
      timeUnit: '1s',
      preAllocatedVUs: Math.min(MAX_VUS, 200),
      maxVUs: MAX_VUS,
      stages: [
        { target: RATE, duration: '10s' },
        { target: PEAK, duration: '5s' },
        { target: PEAK, duration: __ENV.HOLD || '30s' },
        { target: RATE, duration: '5s' },
        { target: RATE, duration: '20s' },
      ],
    },
  },
  summaryTrendStats: SUMMARY,
  thresholds: thresholds({
    click: { p95: 1000, p99: 3000 },
    conversion: { p95: 1000, p99: 3000 },
    statistics: { p95: 1500, p99: 5000 },
  }),
};

export default step;

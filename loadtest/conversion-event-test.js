// Sends pairs of a click and the conversion it earns, as fast as VUS clients in a closed loop can.
//
// Environment: VUS (64), DURATION (30s), BASE_URL, CAMPAIGNS, LATENCY_SCALE.

import { newClick, newConversion, postClick, postConversion, SUMMARY, thresholds } from './lib.js';

export const options = {
  vus: Number(__ENV.VUS || 64),
  duration: __ENV.DURATION || '30s',
  summaryTrendStats: SUMMARY,
  thresholds: thresholds({
    click: { p95: 500, p99: 1000 },
    conversion: { p95: 500, p99: 1000 },
  }),
};

export default function () {
  const click = newClick();
  if (postClick(click)) {
    postConversion(newConversion(click));
  }
}

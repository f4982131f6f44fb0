// What the k6 scripts share: settings, ids, events, and requests that repeat a 503.
//
// A request is of one kind (click, conversion, statistics), and thresholds are set for each kind. A 503 is
// not an error: the client waits for Retry-After and repeats the same event with its id and time, which is
// safe. It is one if REPEATS repetitions did not help. Latency is that of single requests, 503 included.

import { check, sleep } from 'k6';
import http from 'k6/http';
import { Counter, Rate } from 'k6/metrics';

export const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:8080').replace(/\/+$/, '');
export const SOURCES = ['search', 'social', 'email', 'display', 'affiliate'];

const CAMPAIGNS = Number(__ENV.CAMPAIGNS || 20);
const LATENCY_SCALE = Number(__ENV.LATENCY_SCALE || 1);
const REPEATS = 5;

const failures = new Rate('failures');    // requests without their success in the end, by kind
const repeats = new Counter('repeats');   // 503 answers that were repeated, by kind

http.setResponseCallback(http.expectedStatuses(200, 201, 503));

// k6 reports these figures of every trend.
export const SUMMARY = ['avg', 'med', 'p(95)', 'p(99)', 'max'];

// Thresholds from {kind: {p95: ms, p99: ms}}: hardly a failure of any kind, and latency within its limits.
// LATENCY_SCALE stretches the limits for a slower machine.
export function thresholds(limits) {
  const all = {};
  Object.keys(limits).forEach((kind) => {
    const limit = limits[kind];
    all[`failures{kind:${kind}}`] = ['rate<0.001'];
    all[`http_req_duration{kind:${kind}}`] = [
      `p(95)<${limit.p95 * LATENCY_SCALE}`,
      `p(99)<${limit.p99 * LATENCY_SCALE}`,
    ];
  });
  return all;
}

export function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

export function uuid() {
  return 'xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx'.replace(/[xy]/g, (c) => {
    const r = Math.floor(Math.random() * 16);
    return (c === 'x' ? r : (r % 4) + 8).toString(16);
  });
}

// One of CAMPAIGNS campaigns, the same ones in every run.
export function campaign() {
  const n = Math.floor(Math.random() * CAMPAIGNS);
  return `10adbe57-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

export function newClick() {
  return {
    click_id: uuid(),
    campaign_id: campaign(),
    user_id: uuid(),
    click_date: new Date().toISOString(),
    source: pick(SOURCES),
  };
}

// A conversion that the click earns.
export function newConversion(click) {
  return {
    conversion_id: uuid(),
    user_id: click.user_id,
    campaign_id: click.campaign_id,
    conversion_date: new Date().toISOString(),
    value: Math.floor(Math.random() * 20000) / 100,
    type: 'purchase',
    source: click.source,
  };
}

export function postClick(click) {
  return post('click', '/api/events/click', click, click.click_id);
}

export function postConversion(conversion) {
  return post('conversion', '/api/events/conversion', conversion, conversion.conversion_id);
}

// Whether the answer is 201 with the event's id.
function post(kind, path, event, id) {
  const body = JSON.stringify(event);
  const params = { headers: { 'Content-Type': 'application/json' }, tags: { kind, name: path } };
  const answer = request(kind, () => http.post(BASE_URL + path, body, params));
  return finish(kind, answer, 'answers 201 with its id',
    (r) => r.status === 201 && r.json(`${kind}_id`) === id);
}

// Whether the answer is 200 with rows of this campaign.
export function getStatistics(campaignId, groupBy) {
  const path = '/api/campaigns/statistics';
  const url = `${BASE_URL}${path}?campaign_id=${campaignId}&group_by=${groupBy}`;
  const tags = { kind: 'statistics', name: path };
  const answer = request('statistics', () => http.get(url, { tags }));
  return finish('statistics', answer, 'answers 200 with data',
    (r) => r.status === 200 && r.json('campaign_id') === campaignId && Array.isArray(r.json('data')));
}

function request(kind, send) {
  let answer = send();
  for (let i = 0; i < REPEATS && answer.status === 503; i += 1) {
    repeats.add(1, { kind });
    sleep(Math.min(Number(answer.headers['Retry-After']) || 0.2, 5));
    answer = send();
  }
  return answer;
}

function finish(kind, answer, promise, holds) {
  const good = check(answer, {
    [`${kind} ${promise}`]: (r) => {
      try {
        return holds(r);
      } catch (e) {
        return false;   // not JSON, or no body at all
      }
    },
  });
  failures.add(!good, { kind });
  return good;
}

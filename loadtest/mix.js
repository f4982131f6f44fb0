// One step of mixed traffic: 85 % clicks, 10 % conversions of users that clicked recently, 5 % statistics.

import { getStatistics, newClick, newConversion, pick, postClick, postConversion } from './lib.js';

const REMEMBERED = 100;
const KNOWN_MS = 5000;    // a click this old is surely processed, so that its campaign is known
const recent = [];    // the last accepted clicks of this virtual user, a ring
let accepted = 0;

function click() {
  const event = newClick();
  if (postClick(event)) {
    recent[accepted % REMEMBERED] = event;
    accepted += 1;
  }
}

// Where there is no click yet to refer to, a click is sent instead.
export function step() {
  const dice = Math.random();
  const known = (event) => Date.now() - Date.parse(event.click_date) > KNOWN_MS;
  const candidates = dice < 0.95 ? recent : recent.filter(known);
  if (dice < 0.85 || candidates.length === 0) {
    click();
  } else if (dice < 0.95) {
    postConversion(newConversion(pick(candidates)));
  } else {
    getStatistics(pick(candidates).campaign_id, pick(['daily', 'weekly', 'monthly']));
  }
}

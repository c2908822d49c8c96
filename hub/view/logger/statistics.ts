import { round } from "../../../proto/round.ts";
import { mean, meanAt, type Usage } from "./usage.ts";

/** Averages and extremes of a period in percent, with two decimals; 0 without samples. */
export interface Statistics {
  readonly hourly_average: number;
  readonly daily_average: number;
  readonly period_average: number;
  readonly max_utilization: number;
  readonly min_utilization: number;
}

const hoursPerDay = 24;

/** @param hours usage by hour, from the first hour of a day */
export function statisticsOf(hours: Usage): Statistics {
  const days = Math.ceil(hours.count.length / hoursPerDay);
  const daily = { sum: new Float64Array(days), count: new Float64Array(days) };
  let [sum, count] = [0, 0];
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let hour = 0; hour < hours.count.length; hour++) {
    const day = Math.floor(hour / hoursPerDay);
    daily.sum[day] = (daily.sum[day] ?? 0) + (hours.sum[hour] ?? 0);
    daily.count[day] = (daily.count[day] ?? 0) + (hours.count[hour] ?? 0);
    sum += hours.sum[hour] ?? 0;
    count += hours.count[hour] ?? 0;
    min = Math.min(min, hours.min[hour] ?? min);
    max = Math.max(max, hours.max[hour] ?? max);
  }
  return {
    hourly_average: round(meanOfMeans(hours), 2),
    daily_average: round(meanOfMeans(daily), 2),
    period_average: round(mean(sum, count), 2),
    max_utilization: count > 0 ? round(max, 2) : 0,
    min_utilization: count > 0 ? round(min, 2) : 0,
  };
}

/** Mean of the means of all places that have samples, added up without the errors of rounding (Neumaier). */
function meanOfMeans(usage: Pick<Usage, "sum" | "count">): number {
  let [sum, lost, count] = [0, 0, 0];
  for (let place = 0; place < usage.count.length; place++) {
    if ((usage.count[place] ?? 0) === 0) continue;
    const value = meanAt(usage, place);
    const next = sum + value;
    lost += sum >= value ? sum - next + value : value - next + sum;
    sum = next;
    count++;
  }
  return count > 0 ? (sum + lost) / count : 0;
}

"""The five answers of the GPU Metrics Logger, from its CSV files, with pandas.

Usage: statistics.py FOLDER < questions.json > answers.json

Questions are a list of {"path", "body"}, as they are sent to the hub; answers are a list of what "data" must be.

Readings have two decimals. They are added up in hundredths, as integers: a sum of floats depends on the order in which it is
made, and where the third decimal of a mean is a 5 its last bit decides how it is rounded. With exact sums only divisions
round, which IEEE 754 defines to the bit. So two right programs give the same second decimal everywhere.
"""

import glob
import json
import math
import os
import sys
from datetime import date, timedelta

import numpy
import pandas

readings = ["utilization_gpu", "utilization_memory", "temperature", "power_draw"]


def read(folder):
    """All records: hundredths of readings, -1 for a reading that is absent."""
    columns = ["timestamp", "gpu_id", "gpu_name", "client_name", *readings]
    paths = sorted(glob.glob(os.path.join(folder, "gpu_metrics_*.csv")))
    frame = pandas.concat([pandas.read_csv(path, usecols=columns) for path in paths], ignore_index=True)
    for name in readings:
        frame[name] = (frame[name].fillna(-0.01) * 100).round().astype("int64")
    return frame


def mean(hundredths, count):
    return int(hundredths) / 100 / int(count)


def rounded(hundredths, count, decimals=2):
    return round(mean(hundredths, count), decimals) if count else 0


def rounded_mean(sums, counts):
    """The mean of the means of all places that have readings."""
    means = [mean(s, n) for s, n in zip(sums, counts) if n]
    return round(math.fsum(means) / len(means), 2) if means else 0


def days_of(first, last):
    one, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(one + timedelta(days=i)).isoformat() for i in range((end - one).days + 1)]


def echo(body):
    return {"gpu_id": body.get("gpu_id"), "client_name": body.get("client_name")}


def echo_period(body):
    return {"period": {"start_date": body.get("start_date"), "end_date": body.get("end_date")}, **echo(body)}


class Records:
    def __init__(self, frame):
        self.newest = frame["timestamp"].max()
        begin = (pandas.Timestamp(self.newest) - pandas.Timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S")
        self.recent = frame[frame["timestamp"] >= begin]
        last = frame.sort_values("timestamp", kind="stable").groupby(["client_name", "gpu_id"]).tail(1)
        self.last = list(last.sort_values(["client_name", "gpu_id"]).itertuples())
        self.sum_up(frame[frame["utilization_gpu"] >= 0], frame)

    def sum_up(self, known, frame):
        """Sum, count, least and greatest utilization by client, GPU, day and hour."""
        day, hour = known["timestamp"].str[:10].rename("day"), known["timestamp"].str[11:13].astype(int).rename("hour")
        groups = known.groupby(["client_name", "gpu_id", day, hour])["utilization_gpu"]
        table = groups.agg(["sum", "count", "min", "max"])
        self.clients = sorted(frame["client_name"].unique())
        self.gpus = sorted(frame["gpu_id"].unique())
        self.days = days_of(frame["timestamp"].min()[:10], self.newest[:10])
        places = [self.clients, self.gpus, self.days, range(24)]
        whole = pandas.MultiIndex.from_product(places)

        def part(name, absent):
            return table[name].reindex(whole, fill_value=absent).to_numpy("int64").reshape([len(one) for one in places])

        self.sum, self.count = part("sum", 0), part("count", 0)
        self.min, self.max = part("min", 1 << 40), part("max", -1)

    def by_hour(self, body, days):
        """Sum, count, least and greatest utilization of what a question is about, by day and hour."""
        clients = numpy.array([body.get("client_name") in (None, "", name) for name in self.clients])
        gpus = numpy.array([body.get("gpu_id") in (None, int(gpu)) for gpu in self.gpus])
        pick = numpy.ix_(clients, gpus, [self.days.index(day) for day in days if day in self.days], range(24))
        sums, counts = (table[pick].sum(axis=(0, 1)) for table in (self.sum, self.count))
        return sums, counts, self.min[pick].min(axis=(0, 1), initial=1 << 40), self.max[pick].max(axis=(0, 1), initial=-1)

    def statistics(self, body):
        first, last = body.get("start_date") or self.days[0], body.get("end_date") or self.days[-1]
        sums, counts, least, most = self.by_hour(body, days_of(first, last))
        total = int(counts.sum())
        return {
            "hourly_average": rounded_mean(sums.ravel(), counts.ravel()),
            "daily_average": rounded_mean(sums.sum(axis=1), counts.sum(axis=1)),
            "period_average": rounded(sums.sum(), total),
            "max_utilization": rounded(most.max(), 1) if total else 0,
            "min_utilization": rounded(least.min(), 1) if total else 0,
            **echo_period(body),
        }

    def hourly(self, body):
        chart = []
        for day in days_of(body["start_date"], body["end_date"]):
            sums, counts, _, _ = self.by_hour(body, [day])
            for hour in range(24):
                value = rounded(sums[0][hour], counts[0][hour]) if len(counts) else 0
                chart.append({"date": day, "hour": hour, "utilization": value})
        return {"chart_data": chart, **echo_period(body)}

    def daily(self, body):
        chart = []
        for day in days_of(body["start_date"], body["end_date"]):
            _, counts, least, most = self.by_hour(body, [day])
            low, high = (rounded(least.min(), 1), rounded(most.max(), 1)) if counts.sum() else (0, 0)
            chart.append({"date": f"{day[5:7]}/{day[8:]}", "min_utilization": low, "max_utilization": high})
        return {"chart_data": chart, **echo_period(body)}

    def list(self, body):
        return [
            {
                "gpu_id": int(row.gpu_id),
                "gpu_name": row.gpu_name,
                "client_name": row.client_name,
                "status": "active",
                "last_update": row.timestamp,
            }
            for row in self.last
            if body.get("client_name") in (None, "", row.client_name)
        ]

    def realtime(self, body):
        recent = self.recent
        if body.get("client_name"):
            recent = recent[recent["client_name"] == body["client_name"]]
        if body.get("gpu_id") is not None:
            recent = recent[recent["gpu_id"] == body["gpu_id"]]
        clients = "all_clients" if body.get("client_name") is None else "single_client"
        gpus = "all_gpus" if body.get("gpu_id") is None else "single_gpu"

        def of(name, decimals=2):
            known = recent[name][recent[name] >= 0]
            return rounded(known.sum(), len(known), decimals)

        return {
            "timestamp": self.newest,
            "type": "average",
            "scope": f"{clients}_{gpus}" if len(recent) else "no_recent_data",
            "utilization_gpu": of("utilization_gpu"),
            "temperature": int(of("temperature", 0)),
            "memory_used_percent": of("utilization_memory"),
            "power_draw": of("power_draw"),
            "gpu_count": len(recent[["client_name", "gpu_id"]].drop_duplicates()),
            "client_count": int(recent["client_name"].nunique()),
        }


def main():
    frame = read(sys.argv[1])
    records = Records(frame)
    by_path = {
        "/api/gpu/statistics": records.statistics,
        "/api/gpu/hourly-usage": records.hourly,
        "/api/gpu/daily-usage": records.daily,
        "/api/gpu/list": records.list,
        "/api/gpu/realtime": records.realtime,
    }
    given = [by_path[question["path"]](question["body"]) for question in json.load(sys.stdin)]
    sys.stdout.write(json.dumps({"rows": len(frame), "answers": given}))


main()

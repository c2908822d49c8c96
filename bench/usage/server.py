"""A server for GPU metrics of the plain kind: FastAPI, a CSV file for each day, statistics by pandas.

Usage: server.py PORT FOLDER. It appends records to the file of the day on which they come in, one open and close a request,
and reads the files of the days that a question is about, of which only the columns that the answer needs.
"""

import csv
import os
import sys
from datetime import datetime, timedelta
from typing import List, Optional, Union

import fastapi
import pandas
import uvicorn
from pydantic import BaseModel

folder = sys.argv[2]
app = fastapi.FastAPI()


class Record(BaseModel):
    timestamp: str
    gpu_id: int
    gpu_name: str
    utilization_gpu: float
    utilization_memory: float
    memory_total: int
    memory_used: int
    memory_free: int
    temperature: int
    power_draw: float
    power_limit: float
    fan_speed: int
    client_name: str


class Question(BaseModel):
    start_date: Optional[str] = None
    end_date: Optional[str] = None
    gpu_id: Optional[int] = None
    client_name: Optional[str] = None


columns = list(Record.__fields__)


def path_of(day):
    return os.path.join(folder, f"gpu_metrics_{day:%Y%m%d}.csv")


@app.post("/api/receive-data")
async def receive(data: Union[List[Record], Record]):
    records = data if isinstance(data, list) else [data]
    path = path_of(datetime.now())
    new = not os.path.exists(path)
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        for record in records:
            writer.writerow([getattr(record, name) for name in columns])
    return {"success": True, "received_count": len(records), "failed_count": 0}


def rows(question, wanted):
    """The rows of a question, read from the files of its days and of the day after: records may come in late."""
    start, end = (datetime.strptime(text, "%Y-%m-%d") for text in (question.start_date, question.end_date))
    days = [start + timedelta(days=i) for i in range((end - start).days + 2)]
    parts = []
    for path in filter(os.path.exists, map(path_of, days)):
        part = pandas.read_csv(path, usecols=["timestamp", "gpu_id", "client_name", *wanted])
        part["timestamp"] = pandas.to_datetime(part["timestamp"], format="%Y-%m-%d %H:%M:%S")
        if question.client_name:
            part = part[part["client_name"] == question.client_name]
        if question.gpu_id is not None:
            part = part[part["gpu_id"] == question.gpu_id]
        parts.append(part)
    frame = pandas.concat(parts)
    return frame[(frame["timestamp"] >= start) & (frame["timestamp"] < end + timedelta(days=1))]


@app.post("/api/gpu/statistics")
def statistics(question: Question):
    frame = rows(question, ["utilization_gpu"])
    values = frame["utilization_gpu"]
    hours = values.groupby(frame["timestamp"].dt.floor("H")).mean()
    days = values.groupby(frame["timestamp"].dt.date).mean()
    return {
        "hourly_average": round(hours.mean(), 2),
        "daily_average": round(days.mean(), 2),
        "period_average": round(values.mean(), 2),
        "max_utilization": round(values.max(), 2),
        "min_utilization": round(values.min(), 2),
    }


@app.post("/api/gpu/hourly-usage")
def hourly(question: Question):
    frame = rows(question, ["utilization_gpu"])
    means = frame["utilization_gpu"].groupby(frame["timestamp"].dt.floor("H")).mean()
    return {f"{hour:%Y-%m-%d} {hour.hour}": round(mean, 2) for hour, mean in means.dropna().items()}


@app.get("/versions")
def versions():
    modules = [fastapi, uvicorn, pandas]
    return {"Python": sys.version.split()[0], **{module.__name__: module.__version__ for module in modules}}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)

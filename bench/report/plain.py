"""Daily reports of AMD GPU nodes of the plain kind: requests for Netdata and the task API, pandas for the means.

Usage: plain.py CONFIG DATE FOLDER WORKERS

CONFIG is JSON: {"zone", "nodes": [{"name", "url"}], "tasks": {"url", "token"}}; a node has "cards" if they are not to be
discovered. Nodes are read one after the other with WORKERS 1, else by so many threads. Files are written beside their place
and renamed, without fsync.
"""

import csv
import io
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas
import requests

STEP = 600
TIMEOUT = 30
GPU_CHART = re.compile(r"^amdgpu\.gpu_utilization_(.+)_card(\d+)$")
UNUSED = "未使用"


def chart(session, url, name, start, end):
    """The rows of a chart, ascending: {Unix seconds: value}. None if the node has no such chart."""
    window = {"after": start, "before": end, "points": (end - start) // STEP}
    query = {"chart": name, **window, "group": "average", "format": "json"}
    answer = session.get(f"{url}/api/v1/data", params=query, timeout=TIMEOUT)
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    rows = {time: value for time, value, *_ in answer.json()["data"] if start < time <= end}
    return dict(sorted(rows.items()))


def cards_of(session, node):
    """The cards of a node: [(number, name of the model in ids of charts)], in the order of the settings or of their numbers."""
    wanted = node.get("cards")
    try:
        answer = session.get(f"{node['url']}/api/v1/charts", timeout=TIMEOUT)
        answer.raise_for_status()
        found = [(int(match[2]), match[1]) for match in map(GPU_CHART.match, answer.json()["charts"]) if match]
    except (requests.RequestException, ValueError, KeyError) as error:
        print(f"{node['name']}: {error}", file=sys.stderr)
        found = []
    models = dict(found)
    return sorted(found) if wanted is None else [(card, models.get(card)) for card in wanted]


def rows_of(session, node, card, model, start, end):
    """The rows of a card: [(Unix seconds, GPU, VRAM)]. None if it has no such charts, or they cannot be read."""
    if model is None:
        return None
    try:
        gpu = chart(session, node["url"], f"amdgpu.gpu_utilization_{model}_card{card}", start, end)
        vram = chart(session, node["url"], f"amdgpu.gpu_mem_vram_usage_perc_{model}_card{card}", start, end)
    except (requests.RequestException, ValueError, KeyError) as error:
        print(f"{node['name']}: {error}", file=sys.stderr)
        return None
    if gpu is None or vram is None:
        return None
    # An absent value is 0; one that is there is printed as JSON had it, 0.0 as 0.0.
    known = {time: 0 if value is None else value for time, value in vram.items()}
    return [(time, 0 if value is None else value, known.get(time, 0)) for time, value in gpu.items()]


def tasks_of(config, date):
    """Tasks of the day by node, one for each GPU: {node: [(card, user, task, GPU)]}."""
    answer = requests.get(
        f"{config['url']}/api/v2/consumption/task",
        params={"start_t": f"{date} 00:00:00", "end_t": f"{date} 23:59:59"},
        headers={"Authorization": f"Bearer {config['token']}"},
        timeout=TIMEOUT,
    )
    answer.raise_for_status()
    by_uuid = {}
    for task in answer.json().values():
        for gpu in task.get("gpus", []):
            by_uuid[gpu.get("uuid", "")] = (task, gpu)
    nodes = {}
    for task, gpu in by_uuid.values():
        host = task.get("hostname", "unknown")
        nodes.setdefault(host, []).append((gpu.get("id"), task.get("username", "unknown"), task, gpu))
    return nodes


def write(path, text):
    draft = f"{path}.part"
    with open(draft, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(draft, path)


def task_text(card, user, task, gpu):
    what = task.get("task", {})
    ended = task.get("end")
    lines = [
        f"  GPU {card}: {user}",
        f"    - GPU 型號: {gpu.get('name', 'Unknown GPU')}",
        f"    - GPU 記憶體: {gpu.get('memory', 0)} MB",
        f"    - 任務類型: {what.get('_type', 'unknown')}",
        f"    - 專案 UUID: {what.get('project_uuid', '')}",
        f"    - 映像檔: {what.get('image', '')}",
        f"    - 開始時間: {task.get('start', '')}",
        f"    - 結束時間: {ended}" if ended else "    - 狀態: 執行中",
        f"    - 使用時長: {task.get('total_seconds', 0):.1f} 秒",
        f"    - GPU UUID: {gpu.get('uuid', '')}",
    ]
    return "\n".join(lines) + "\n\n"


def summary(node, date, cards, figures, overall, tasks):
    line = "=" * 32
    text = [f"{line}\nAMD GPU 與 VRAM 每日使用率統計\n日期: {date}\n節點: {node}\n{line}\n\nGPU 硬體對應表:\n"]
    text += [f"GPU[{index}] -> Card {card}\n" for index, card in enumerate(cards)]
    if tasks:
        text.append(f"\nGPU 使用者任務資訊:\n{'-' * 50}\n")
        if node in tasks:
            text.append(f"\n{node} GPU 任務資訊:\n")
            text += [task_text(*task) for task in tasks[node]]
    text.append("\n各 GPU 使用率與 VRAM 使用率:\n")
    for index, (gpu, vram, user) in enumerate(figures):
        text.append(f"GPU[{index}]: GPU使用率 = {round(gpu, 2)}%, VRAM使用率 = {round(vram, 2)}% (使用者: {user})\n")
    text.append(f"\n整體平均 GPU 使用率: {overall[0]:.2f}%\n整體平均 VRAM 使用率: {overall[1]:.2f}%\n{line}\n")
    return "".join(text)


def report(node, date, zone, folder, start, end, tasks):
    """Reads a node and writes the report of its day."""
    name = node["name"]
    place = os.path.join(folder, name, date)
    os.makedirs(place, exist_ok=True)
    users = {card: user for card, user, *_ in tasks.get(name, [])}
    figures = []
    with requests.Session() as session:
        cards = cards_of(session, node)
        for index, (card, model) in enumerate(cards):
            rows = rows_of(session, node, card, model, start, end)
            user = users.get(card, UNUSED)
            if rows is not None:
                lines = ["時間戳,日期時間,GPU使用率(%),VRAM使用率(%)\n"]
                for time, use, memory in rows:
                    local = datetime.fromtimestamp(time, zone).strftime("%Y-%m-%d %H:%M:%S")
                    lines.append(f'{time},"{local}",{use},{memory}\n')
                write(os.path.join(place, f"gpu{index}_{date}.csv"), "".join(lines))
            means = pandas.DataFrame(rows or [], columns=["time", "gpu", "vram"], dtype=float).mean()
            figures.append((float(means["gpu"]), float(means["vram"]), user))
    frame = pandas.DataFrame(figures, columns=["gpu", "vram", "user"])
    overall = [float(value) for value in frame[["gpu", "vram"]].mean().fillna(0)]
    averages = io.StringIO()
    writer = csv.writer(averages, lineterminator="\n")
    writer.writerow(["GPU編號", "平均GPU使用率(%)", "平均VRAM使用率(%)", "使用者"])
    for index, (gpu, vram, user) in enumerate(figures):
        both = ["N/A", "N/A"] if gpu != gpu else [f"{gpu:.2f}", f"{vram:.2f}"]
        writer.writerow([f"GPU[{index}]", *both, user])
    writer.writerow(["全部平均", f"{overall[0]:.2f}", f"{overall[1]:.2f}", "所有使用者"])
    write(os.path.join(place, f"average_{date}.csv"), averages.getvalue())
    text = summary(name, date, [card for card, _ in cards], figures, overall, tasks)
    write(os.path.join(place, f"summary_{date}.txt"), text)


def main():
    _, path, date, folder, workers = sys.argv
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    zone = ZoneInfo(config["zone"])
    midnight = datetime.strptime(date, "%Y-%m-%d")
    start, end = (int(day.replace(tzinfo=zone).timestamp()) for day in (midnight, midnight + timedelta(days=1)))
    tasks = tasks_of(config["tasks"], date)
    rest = (date, zone, folder, start, end, tasks)
    if workers == "1":
        for node in config["nodes"]:
            report(node, *rest)
        return
    with ThreadPoolExecutor(int(workers)) as pool:
        for done in [pool.submit(report, node, *rest) for node in config["nodes"]]:
            done.result()


main()

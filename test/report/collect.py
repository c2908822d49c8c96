"""Makes the files of a daily report in plain Python, as the reports of GOHM must have them.

Each line of standard input is a JSON object:
  node, date, zone
  cards: [{index, card, gpu, vram}], where gpu and vram are what Netdata answers in "data": [[Unix seconds, value], ...], newest
    first; null without an answer; one number for the whole day, or a list of numbers for equal parts of it
  tasks: {node: [{user, uuid, id, index, model, memory, type, project, image, start, end, seconds}]}
The answer is one line: {"files": {name: text}, "users": the text of --user-report}.
"""

import csv
import io
import json
import re
import sys
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

STEP = 600

# Control characters, separators of lines, and what shows as nothing or turns the direction of writing.
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]+"
)
FORMULA = re.compile("'*[\\s\u200b\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
LONGEST = 1024


def line(text):
    """A text from elsewhere on one line."""
    plain = HIDDEN.sub(" ", str(text))
    return plain.encode()[:LONGEST].decode(errors="ignore")


def cell(text):
    """A text from elsewhere in a CSV file: no spreadsheet calculates it."""
    plain = line(text)
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([("'" if FORMULA.match(plain) else "") + plain, ""])
    return out.getvalue()[:-1]


def bounds(day, zone):
    first = date.fromisoformat(day)
    return [int(datetime.combine(d, time(), zone).timestamp()) for d in (first, first + timedelta(days=1))]


def series(data, start, end):
    """{time: value} of one chart."""
    if data is None:
        return None
    if not isinstance(data, list):
        data = [data]
    if data and not isinstance(data[0], list):
        times = range(start + STEP, end + 1, STEP)
        data = [[at, data[i * len(data) // len(times)]] for i, at in enumerate(times)]
    return {at: 0 if value is None else value for at, value in data}


def rows_of(card, start, end):
    """[(time, GPU, VRAM)], ascending; None without a file."""
    gpu, vram = (series(card[name], start, end) for name in ("gpu", "vram"))
    if gpu is None or vram is None:
        return None
    return [(at, gpu[at], vram.get(at, 0)) for at in sorted(gpu) if start < at <= end]


def total(values):
    """A sum in the order in which numpy, and so pandas, adds: in halves from 129 values on, else in eight columns."""
    n = len(values)
    if n > 128:
        half = n // 2 // 8 * 8
        return total(values[:half]) + total(values[half:])
    whole = n // 8 * 8 if n >= 8 else 0
    result = 0.0
    if whole:
        c = [0.0] * 8
        for i in range(8):
            column = values[i]
            for value in values[i + 8 : whole : 8]:
                column += value
            c[i] = column
        result = ((c[0] + c[1]) + (c[2] + c[3])) + ((c[4] + c[5]) + (c[6] + c[7]))
    for value in values[whole:]:
        result += value
    return result


def mean(values):
    return total([float(value) for value in values]) / len(values)


def plain_mean(values):
    result = 0.0
    for value in values:
        result += value
    return result / len(values) if values else 0.0


def task_lines(task):
    """What the summary and --user-report both say of a task: (word, value)."""
    return {
        "model": f"GPU 型號: {line(task['model'])}",
        "memory": f"GPU 記憶體: {line(task['memory'])} MB",
        "type": f"任務類型: {line(task['type'])}",
        "project": f"專案 UUID: {line(task['project'])}",
        "image": f"映像檔: {line(task['image'])}",
        "start": f"開始時間: {line(task['start'])}",
        "end": f"結束時間: {line(task['end'])}",
        "running": "狀態: 執行中",
        "done": "狀態: 已完成",
        "seconds": f"使用時長: {task['seconds']:.1f} 秒",
        "uuid": f"GPU UUID: {line(task['uuid'])}",
    }


def summary_task(task):
    words = task_lines(task)
    names = ["model", "memory", "type", "project", "image", "start"]
    names += ["end"] if task["end"] else ["running"]
    names += ["seconds", "uuid"]
    return f"  GPU {line(task['id'])}: {line(task['user'])}\n" + "".join(f"    - {words[n]}\n" for n in names) + "\n"


def user_report(day, tasks):
    if not any(tasks.values()):
        return "沒有 GPU 使用者任務資訊可供顯示\n"
    text = f"\n=== {day} GPU 使用者任務報告 ===\n" + "=" * 60 + "\n"
    for node, of_node in tasks.items():
        if not of_node:
            continue
        text += f"\n{line(node)}:\n" + "-" * 40 + "\n"
        for task in of_node:
            words = task_lines(task)
            names = ["model", "memory", "type", "image", "start"]
            names += ["end", "done"] if task["end"] else ["running"]
            names += ["seconds", "uuid"]
            text += f"GPU {line(task['id'])}:\n  使用者: {line(task['user'])}\n"
            text += "".join(f"  {words[n]}\n" for n in names) + "\n"
    return text + "=" * 60 + "\n"


def files_of(request):
    node, day, cards, tasks = (request[name] for name in ("node", "date", "cards", "tasks"))
    zone = ZoneInfo(request["zone"])
    start, end = bounds(day, zone)
    files = {}
    means = []
    for card in cards:
        rows = rows_of(card, start, end)
        means.append(tuple(mean([row[i] for row in rows]) for i in (1, 2)) if rows else None)
        if rows is None:
            continue
        text = "時間戳,日期時間,GPU使用率(%),VRAM使用率(%)\n"
        for at, gpu, vram in rows:
            text += f'{at},"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}",{gpu},{vram}\n'
        files[f"gpu{card['index']}_{day}.csv"] = text

    users = {task.get("index"): task["user"] for task in tasks.get(node, [])}
    known = [both for both in means if both]
    overall = [plain_mean([both[i] for both in known]) for i in (0, 1)]

    text = "GPU編號,平均GPU使用率(%),平均VRAM使用率(%),使用者\n"
    for card, both in zip(cards, means):
        figures = f"{both[0]:.2f},{both[1]:.2f}" if both else "N/A,N/A"
        text += f"GPU[{card['index']}],{figures},{cell(users.get(card['index'], '未使用'))}\n"
    files[f"average_{day}.csv"] = text + f"全部平均,{overall[0]:.2f},{overall[1]:.2f},所有使用者\n"

    rule = "=" * 32 + "\n"
    text = f"{rule}AMD GPU 與 VRAM 每日使用率統計\n日期: {day}\n節點: {node}\n{rule}\nGPU 硬體對應表:\n"
    text += "".join(f"GPU[{card['index']}] -> Card {card['card']}\n" for card in cards)
    if any(tasks.values()):
        text += "\nGPU 使用者任務資訊:\n" + "-" * 50 + "\n"
        if tasks.get(node):
            text += f"\n{node} GPU 任務資訊:\n" + "".join(map(summary_task, tasks[node]))
    text += "\n各 GPU 使用率與 VRAM 使用率:\n"
    for card, both in zip(cards, means):
        gpu, vram = (float(f"{value:.2f}") for value in both or (float("nan"), float("nan")))
        user = line(users.get(card["index"], "未使用"))
        text += f"GPU[{card['index']}]: GPU使用率 = {gpu}%, VRAM使用率 = {vram}% (使用者: {user})\n"
    text += f"\n整體平均 GPU 使用率: {overall[0]:.2f}%\n整體平均 VRAM 使用率: {overall[1]:.2f}%\n{rule}"
    files[f"summary_{day}.txt"] = text
    return files


for request in map(json.loads, iter(sys.stdin.readline, "")):
    answer = {"files": files_of(request), "users": user_report(request["date"], request["tasks"])}
    print(json.dumps(answer), flush=True)

"""Reads every GPU with pynvml and prints one JSON object; an NVML error is null."""
import json
import pynvml as n


def tried(call, *args):
    try:
        return call(*args)
    except n.NVMLError as error:
        return None


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def processes(found):
    return [[p.pid, p.usedGpuMemory] for p in found or []]


def card(index):
    try:
        handle = n.nvmlDeviceGetHandleByIndex(index)
    except n.NVMLError as error:
        return {"id": index, "error": error.value}
    pci = n.nvmlDeviceGetPciInfo(handle)
    first = n.nvmlDeviceGetMemoryInfo(handle)
    second = n.nvmlDeviceGetMemoryInfo(handle, n.nvmlMemory_v2)
    rates = n.nvmlDeviceGetUtilizationRates(handle)
    samples = tried(n.nvmlDeviceGetProcessUtilization, handle, 0) or []
    newest = {}
    for s in sorted(samples, key=lambda s: s.timeStamp):
        newest[s.pid] = s.smUtil
    return {
        "id": index,
        "name": text(n.nvmlDeviceGetName(handle)),
        "uuid": text(n.nvmlDeviceGetUUID(handle)),
        "bus": text(pci.busId),
        "pci": [pci.domain, pci.bus, pci.device, pci.pciDeviceId, pci.pciSubSystemId],
        "memory": [first.total, first.free, first.used],
        "memory2": [second.total, second.reserved, second.free, second.used],
        "utilization": [rates.gpu, rates.memory],
        "temperature": tried(n.nvmlDeviceGetTemperature, handle, n.NVML_TEMPERATURE_GPU),
        "fan": tried(n.nvmlDeviceGetFanSpeed, handle),
        "power": tried(n.nvmlDeviceGetPowerUsage, handle),
        "limit": tried(n.nvmlDeviceGetEnforcedPowerLimit, handle),
        "sm": tried(n.nvmlDeviceGetClockInfo, handle, n.NVML_CLOCK_SM),
        "mem": tried(n.nvmlDeviceGetClockInfo, handle, n.NVML_CLOCK_MEM),
        "throttle": tried(n.nvmlDeviceGetCurrentClocksThrottleReasons, handle),
        "corrected": tried(n.nvmlDeviceGetTotalEccErrors, handle, n.NVML_MEMORY_ERROR_TYPE_CORRECTED, n.NVML_VOLATILE_ECC),
        "uncorrected": tried(n.nvmlDeviceGetTotalEccErrors, handle, n.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, n.NVML_VOLATILE_ECC),
        "compute": processes(tried(n.nvmlDeviceGetComputeRunningProcesses, handle)),
        "graphics": processes(tried(n.nvmlDeviceGetGraphicsRunningProcesses, handle)),
        "samples": newest,
        "events": tried(n.nvmlDeviceGetSupportedEventTypes, handle),
    }


def xids(count):
    """Critical errors that are waiting, as [bus, code]."""
    events = n.nvmlEventSetCreate()
    for index in range(count):
        try:
            n.nvmlDeviceRegisterEvents(n.nvmlDeviceGetHandleByIndex(index), n.nvmlEventTypeXidCriticalError, events)
        except n.NVMLError:
            pass
    found = []
    while True:
        try:
            data = n.nvmlEventSetWait_v2(events, 0)
        except n.NVMLError as error:
            return found, error.value
        found.append([n.nvmlDeviceGetIndex(data.device), data.eventData])


n.nvmlInit()
count = n.nvmlDeviceGetCount()
waiting, end = xids(count)
print(json.dumps({
    "driver": text(n.nvmlSystemGetDriverVersion()),
    "cuda": n.nvmlSystemGetCudaDriverVersion_v2(),
    "errors": {str(code): text(n.nvmlErrorString(code)) for code in (3, 9, 15)},
    "xids": waiting,
    "end": end,
    "cards": [card(index) for index in range(count)],
}))
n.nvmlShutdown()

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


def memory_temperature(handle):
    found = tried(n.nvmlDeviceGetFieldValues, handle, [n.NVML_FI_DEV_MEMORY_TEMP])
    return found[0].value.uiVal if found and found[0].nvmlReturn == 0 else None


def nvlink(handle):
    """States of the links there are, and KiB sent and received over all of them."""
    states = [tried(n.nvmlDeviceGetNvLinkState, handle, link) for link in range(n.NVML_NVLINK_MAX_LINKS)]
    fields = [(n.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, 0xFFFFFFFF), (n.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 0xFFFFFFFF)]
    found = tried(n.nvmlDeviceGetFieldValues, handle, fields) or []
    sums = [each.value.ullVal if each.nvmlReturn == 0 else None for each in found]
    return [[state for state in states if state is not None], *(sums or [None, None])]


def processes(found):
    return [[p.pid, p.usedGpuMemory] for p in found or []]


def instances(parent):
    """MIG instances of a GPU; None when it is not divided."""
    mode = tried(n.nvmlDeviceGetMigMode, parent)
    if mode is None or mode[0] != 1:
        return None
    found = []
    for number in range(n.nvmlDeviceGetMaxMigDeviceCount(parent)):
        handle = tried(n.nvmlDeviceGetMigDeviceHandleByIndex, parent, number)
        if handle is None:
            continue
        memory = n.nvmlDeviceGetMemoryInfo(handle)
        found.append({
            "number": number,
            "name": text(n.nvmlDeviceGetName(handle)),
            "uuid": text(n.nvmlDeviceGetUUID(handle)),
            "memory": [memory.total, memory.used],
            "instance": [n.nvmlDeviceGetGpuInstanceId(handle), n.nvmlDeviceGetComputeInstanceId(handle)],
            "multiprocessors": n.nvmlDeviceGetAttributes(handle).multiprocessorCount,
            "compute": processes(tried(n.nvmlDeviceGetComputeRunningProcesses, handle)),
        })
    return found


def card(index):
    try:
        handle = n.nvmlDeviceGetHandleByIndex(index)
    except n.NVMLError as error:
        return {"id": index, "error": error.value}
    pci = n.nvmlDeviceGetPciInfo(handle)
    first = n.nvmlDeviceGetMemoryInfo(handle)
    second = n.nvmlDeviceGetMemoryInfo(handle, n.nvmlMemory_v2)
    rates = tried(n.nvmlDeviceGetUtilizationRates, handle)
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
        "utilization": rates and [rates.gpu, rates.memory],
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
        "encoder": (tried(n.nvmlDeviceGetEncoderUtilization, handle) or [None])[0],
        "decoder": (tried(n.nvmlDeviceGetDecoderUtilization, handle) or [None])[0],
        "energy": tried(n.nvmlDeviceGetTotalEnergyConsumption, handle),
        "memoryTemperature": memory_temperature(handle),
        "link": [
            tried(n.nvmlDeviceGetCurrPcieLinkGeneration, handle),
            tried(n.nvmlDeviceGetCurrPcieLinkWidth, handle),
            tried(n.nvmlDeviceGetMaxPcieLinkGeneration, handle),
            tried(n.nvmlDeviceGetMaxPcieLinkWidth, handle),
        ],
        "rows": tried(n.nvmlDeviceGetRemappedRows, handle),
        "persistence": tried(n.nvmlDeviceGetPersistenceMode, handle),
        "computeMode": tried(n.nvmlDeviceGetComputeMode, handle),
        "performance": tried(n.nvmlDeviceGetPerformanceState, handle),
        "nvlink": nvlink(handle),
        "instances": instances(handle),
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

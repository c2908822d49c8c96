/*
 * A libnvidia-ml.so.1 that plays a text file instead of asking a driver: same symbols, same structs, same return codes.
 *
 * Layouts and semantics follow NVIDIA's NVML API reference (https://docs.nvidia.com/deploy/nvml-api/).
 *
 * GOHM_PLAYER          folder that holds nvml.txt (required; without it nvmlInit says "Driver Not Loaded")
 * GOHM_PLAYER_CONTROL  optional file of the same language, looked at again before every call: its lines win over nvml.txt
 * GOHM_PLAYER_MOVE     when set, numbers written 42~20 swing around 42 by 20 over two minutes, each GPU at its own phase
 *
 * One line per call, the symbol without its version suffix, then its arguments (a GPU is its index), the return code and
 * the values:
 *
 *   nvmlInit : 0
 *   nvmlDeviceGetCount : 0 8
 *   nvmlDeviceGetName 0 : 0 NVIDIA H100 80GB HBM3
 *   nvmlDeviceGetPciInfo 0 : 0 domain bus device pciDeviceId pciSubSystemId
 *   nvmlDeviceGetMemoryInfo 0 : 0 total reserved free used         used without reserved, as version 2 of the struct has it
 *   nvmlDeviceGetUtilizationRates 0 : 0 gpu memory
 *   nvmlDeviceGetTemperature 0 0 : 0 41                             GPU 0, sensor 0
 *   nvmlDeviceGetClockInfo 0 1 : 0 1980                             GPU 0, clock 1 (SM)
 *   nvmlDeviceGetTotalEccErrors 0 1 0 : 0 7                         GPU 0, uncorrected, volatile
 *   nvmlDeviceGetComputeRunningProcesses 0 : 0 4711:85899345:-:-    pid:memory:gpu instance:compute instance, "-" is "not available"
 *   nvmlDeviceGetProcessUtilization 0 : 0 4711:200000:97:40:0:0     pid:age in us:sm:memory:encoder:decoder
 *   nvmlDeviceGetComputeRunningProcesses 1 : 0 !4000000000          claims as many entries and writes none
 *   nvmlDeviceGetMigDeviceHandleByIndex 0 2 : 0                     GPU 0 has an instance 2, whose own calls are of GPU 1002; 6 without
 *   nvmlDeviceGetName 1002 : 0 NVIDIA A100 MIG 1g.5gb               1000 x (GPU + 1) + instance
 *   nvmlDeviceGetAttributes 1002 : 0 14                             multiprocessors
 *   nvmlDeviceGetRemappedRows 0 : 0 1 0 0 0                         correctable, uncorrectable, pending, failure
 *   nvmlDeviceGetFieldValues 0 82 : 0 1 71                          GPU 0, field 82 (memory temperature), type 1 (unsigned int), 71
 *   nvmlDeviceGetFieldValues 0 138 all : 0 3 8812+300               field 138 of all links together: 8812, and 300 more each time it is asked for
 *   nvmlDeviceGetNvLinkState 0 17 : 0 1                             GPU 0, link 17 is up; 2 (INVALID_ARGUMENT) where there is none
 *   nvmlDeviceGetMemoryInfo_v2 0 : 25                                only version 2 of the call is refused
 *
 * A call without a line answers NOT_SUPPORTED. In place of the code may stand "hang" (never returns) or "crash" (SIGSEGV).
 * "nvmlDeviceGetName * : 3" is for every GPU, "* 3 : 15" is for every call on GPU 3. "xid 1 : 3 79", only in the control
 * file, delivers Xid 79 of GPU 3 once; the next one needs a higher number. Lines that begin with # are comments.
 *
 * Built with -DSTRIDE_V3=32 it returns the struct that the drivers 535.43 to 535.86 return from ..._v3.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef STRIDE_V3
#define STRIDE_V3 24
#endif

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, TIMEOUT = 10, ARGUMENT_VERSION_MISMATCH = 25 };

typedef int Return;
typedef unsigned int u32;
typedef unsigned long long u64;
#define NOT_AVAILABLE (~0ULL)

typedef struct { char *key; char *code; char *values; u32 asked; } Line;
typedef struct { Line *lines; int count; char *text; struct stat seen; } Script;

static Script capture, control;
static int users;                        /* nvmlInit counts */
static u64 xid_seen;
static struct Device { u32 index; } devices[64 * 9];   /* 64 GPUs, then eight instances of each */
static struct EventSet { u64 registered; } event_sets[8];
static int event_set_count;

/* ---- the text ---- */

static int by_key(const void *a, const void *b) { return strcmp(((const Line *)a)->key, ((const Line *)b)->key); }

static char *trimmed(char *s) {
  while (*s == ' ' || *s == '\t') s++;
  char *end = s + strlen(s);
  while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) *--end = 0;
  return s;
}

static void parse(Script *script, const char *path) {
  free(script->lines);
  free(script->text);
  script->lines = NULL, script->text = NULL, script->count = 0;
  FILE *file = fopen(path, "r");
  if (!file) return;
  size_t size = 0;
  if (getdelim(&script->text, &size, 0, file) < 0) { fclose(file); return; }
  fclose(file);
  int room = 1;
  for (char *c = script->text; *c; c++) room += *c == '\n';
  script->lines = calloc(room, sizeof(Line));
  char *rest = script->text, *row;
  while ((row = strsep(&rest, "\n"))) {
    char *colon = strstr(row, " : ");
    if (*row == '#' || !colon) continue;
    *colon = 0;
    Line *line = &script->lines[script->count++];
    line->key = trimmed(row);
    line->code = trimmed(colon + 3);
    line->values = line->code + strcspn(line->code, " ");
    if (*line->values) *line->values++ = 0;
    line->values = trimmed(line->values);
  }
  qsort(script->lines, script->count, sizeof(Line), by_key);
}

static void refresh(void) {
  const char *path = getenv("GOHM_PLAYER_CONTROL");
  struct stat now;
  if (!path) return;
  if (stat(path, &now)) memset(&now, 0, sizeof now);
  if (!memcmp(&now.st_mtim, &control.seen.st_mtim, sizeof now.st_mtim) && now.st_size == control.seen.st_size &&
      now.st_ino == control.seen.st_ino) return;
  control.seen = now;
  parse(&control, path);
}

static Line *line_of(Script *script, const char *key) {
  Line wanted = { (char *)key, NULL, NULL, 0 };
  return script->count ? bsearch(&wanted, script->lines, script->count, sizeof(Line), by_key) : NULL;
}

/* The line for a call, or NULL; hangs or crashes when the line says so. `device` is -1 where there is none. */
static Line *find(const char *symbol, int device, const char *format, ...) {
  char key[160], every[160], all[32];
  int n = snprintf(key, sizeof key, "%s", symbol);
  va_list args;
  va_start(args, format);
  vsnprintf(key + n, sizeof key - n, format, args);
  va_end(args);
  refresh();
  snprintf(every, sizeof every, "%s *", symbol);
  snprintf(all, sizeof all, "* %d", device);
  Line *line = line_of(&control, key);
  if (!line && device >= 0) line = line_of(&control, every);
  if (!line && device >= 0) line = line_of(&control, all);
  if (!line) line = line_of(&capture, key);
  if (!line && device >= 0) line = line_of(&capture, every);
  if (!line && device >= 0) line = line_of(&capture, all);
  if (!line) return NULL;
  if (!strcmp(line->code, "hang")) for (;;) pause();
  if (!strcmp(line->code, "crash")) { signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); }
  return line;
}

static Return code_of(const Line *line) { return line ? atoi(line->code) : NOT_SUPPORTED; }

/* Reads "42" or "42~20" and steps behind it; "-" is "not available". */
static u64 number(char **at, u32 device) {
  while (**at == ' ' || **at == ':') (*at)++;
  if (**at == '-') { (*at)++; return NOT_AVAILABLE; }
  u64 base = strtoull(*at, at, 10);
  if (**at != '~') return base;
  (*at)++;
  u64 swing = strtoull(*at, at, 10);
  if (!getenv("GOHM_PLAYER_MOVE")) return base;
  /* A triangle wave: 0..239 half seconds up and down, shifted by 37 per GPU. */
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  long phase = (now.tv_sec * 2 + now.tv_nsec / 500000000 + device * 37) % 240;
  long wave = phase < 120 ? phase - 60 : 180 - phase;      /* -60..60 */
  long long moved = (long long)base + (long long)swing * wave / 60;
  return moved < 0 ? 0 : (u64)moved;
}

/* ---- what calls share ---- */

static Return device_of(void *handle, int *index) {
  if (users == 0) return UNINITIALIZED;
  struct Device *device = handle;
  if (device < devices || device >= devices + 64 * 9) return INVALID_ARGUMENT;
  *index = device->index;
  return SUCCESS;
}

#define DEVICE(handle)                            \
  int device;                                     \
  Return bad = device_of(handle, &device);        \
  if (bad) return bad

static Return give_text(const Line *line, char *out, u32 length) {
  Return code = code_of(line);
  if (code) return code;
  if (!out) return INVALID_ARGUMENT;
  if (strlen(line->values) + 1 > length) return INSUFFICIENT_SIZE;
  strcpy(out, line->values);
  return SUCCESS;
}

static Return give_u32(const Line *line, u32 device, u32 *out) {
  Return code = code_of(line);
  if (code) return code;
  if (!out) return INVALID_ARGUMENT;
  char *at = line->values;
  *out = (u32)number(&at, device);
  return SUCCESS;
}

static Return give_u64(const Line *line, u32 device, u64 *out) {
  Return code = code_of(line);
  if (code) return code;
  if (!out) return INVALID_ARGUMENT;
  char *at = line->values;
  *out = number(&at, device);
  return SUCCESS;
}

/* ---- library and system ---- */

static Return init(void) {
  const char *folder = getenv("GOHM_PLAYER");
  char path[4096];
  if (!folder) return DRIVER_NOT_LOADED;
  snprintf(path, sizeof path, "%s/nvml.txt", folder);
  struct stat there;
  if (stat(path, &there)) return DRIVER_NOT_LOADED;
  if (users == 0) {
    parse(&capture, path);
    for (u32 i = 0; i < 64; i++) devices[i].index = i;
    for (u32 i = 0; i < 64 * 8; i++) devices[64 + i].index = 1000 * (i / 8 + 1) + i % 8;
  }
  Line *line = find("nvmlInit", -1, "");
  Return code = line ? code_of(line) : SUCCESS;
  if (code == SUCCESS) users++;
  return code;
}
Return nvmlInit(void) { return init(); }
Return nvmlInit_v2(void) { return init(); }
Return nvmlInitWithFlags(u32 flags) { (void)flags; return init(); }
Return nvmlShutdown(void) {
  if (users == 0) return UNINITIALIZED;
  users--;
  return SUCCESS;
}

const char *nvmlErrorString(Return code) {
  static const char *const texts[] = { "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
    "Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout",
    "Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost",
    "GPU requires reset", "GPU access blocked by the operating system", "Driver/library version mismatch", "In use by another client" };
  return code >= 0 && code < (int)(sizeof texts / sizeof *texts) ? texts[code] : "Unknown Error";
}

#define SYSTEM if (users == 0) return UNINITIALIZED
Return nvmlSystemGetDriverVersion(char *out, u32 length) { SYSTEM; return give_text(find("nvmlSystemGetDriverVersion", -1, ""), out, length); }
Return nvmlSystemGetNVMLVersion(char *out, u32 length) { SYSTEM; return give_text(find("nvmlSystemGetNVMLVersion", -1, ""), out, length); }
Return nvmlSystemGetCudaDriverVersion(int *out) { SYSTEM; return give_u32(find("nvmlSystemGetCudaDriverVersion", -1, ""), 0, (u32 *)out); }
Return nvmlSystemGetCudaDriverVersion_v2(int *out) { return nvmlSystemGetCudaDriverVersion(out); }
Return nvmlDeviceGetCount(u32 *out) { SYSTEM; return give_u32(find("nvmlDeviceGetCount", -1, ""), 0, out); }
Return nvmlDeviceGetCount_v2(u32 *out) { return nvmlDeviceGetCount(out); }

Return nvmlDeviceGetHandleByIndex_v2(u32 index, void **out) {
  SYSTEM;
  u32 count = 0;
  Return code = nvmlDeviceGetCount(&count);
  if (code) return code;
  if (index >= count || index >= 64 || !out) return INVALID_ARGUMENT;
  Line *line = find("nvmlDeviceGetHandleByIndex", index, " %u", index);
  if (line && code_of(line)) return code_of(line);
  *out = &devices[index];
  return SUCCESS;
}
Return nvmlDeviceGetHandleByIndex(u32 index, void **out) { return nvmlDeviceGetHandleByIndex_v2(index, out); }

/* ---- one GPU ---- */

#define TEXT_CALL(symbol)                                                                  \
  Return symbol(void *handle, char *out, u32 length) {                                     \
    DEVICE(handle);                                                                        \
    return give_text(find(#symbol, device, " %d", device), out, length);                   \
  }
TEXT_CALL(nvmlDeviceGetName)
TEXT_CALL(nvmlDeviceGetUUID)

#define U32_CALL(symbol)                                                                   \
  Return symbol(void *handle, u32 *out) {                                                  \
    DEVICE(handle);                                                                        \
    return give_u32(find(#symbol, device, " %d", device), device, out);                    \
  }
U32_CALL(nvmlDeviceGetFanSpeed)
U32_CALL(nvmlDeviceGetPowerUsage)
U32_CALL(nvmlDeviceGetEnforcedPowerLimit)
U32_CALL(nvmlDeviceGetCurrPcieLinkGeneration)
U32_CALL(nvmlDeviceGetCurrPcieLinkWidth)
U32_CALL(nvmlDeviceGetMaxPcieLinkGeneration)
U32_CALL(nvmlDeviceGetMaxPcieLinkWidth)
U32_CALL(nvmlDeviceGetPersistenceMode)
U32_CALL(nvmlDeviceGetComputeMode)
U32_CALL(nvmlDeviceGetPerformanceState)
Return nvmlDeviceGetNvLinkState(void *handle, u32 link, u32 *out) {
  DEVICE(handle);
  return give_u32(find("nvmlDeviceGetNvLinkState", device, " %d %u", device, link), device, out);
}

#define CODEC_CALL(symbol)                                                                 \
  Return symbol(void *handle, u32 *out, u32 *period) {                                     \
    DEVICE(handle);                                                                        \
    if (!period) return INVALID_ARGUMENT;                                                  \
    *period = 167000;                                                                      \
    return give_u32(find(#symbol, device, " %d", device), device, out);                    \
  }
CODEC_CALL(nvmlDeviceGetEncoderUtilization)
CODEC_CALL(nvmlDeviceGetDecoderUtilization)

Return nvmlDeviceGetMigMode(void *handle, u32 *now, u32 *later) {
  DEVICE(handle);
  if (!later) return INVALID_ARGUMENT;
  Return code = give_u32(find("nvmlDeviceGetMigMode", device, " %d", device), device, now);
  if (code == SUCCESS) *later = *now;
  return code;
}
U32_CALL(nvmlDeviceGetMaxMigDeviceCount)
Return nvmlDeviceGetMigDeviceHandleByIndex(void *handle, u32 number, void **out) {
  DEVICE(handle);
  Line *line = find("nvmlDeviceGetMigDeviceHandleByIndex", device, " %d %u", device, number);
  if (!line) return NOT_FOUND;
  if (code_of(line)) return code_of(line);
  if (device >= 64 || number >= 8 || !out) return INVALID_ARGUMENT;
  *out = &devices[64 + device * 8 + number];
  return SUCCESS;
}
U32_CALL(nvmlDeviceGetGpuInstanceId)
U32_CALL(nvmlDeviceGetComputeInstanceId)
struct Attributes { u32 multiprocessors, copy, decoder, encoder, jpeg, flow, gpu_slices, compute_slices; u64 memory; };
Return nvmlDeviceGetAttributes_v2(void *handle, struct Attributes *out) {
  DEVICE(handle);
  if (!out) return INVALID_ARGUMENT;
  u32 multiprocessors;
  Return code = give_u32(find("nvmlDeviceGetAttributes", device, " %d", device), device, &multiprocessors);
  if (code) return code;
  *out = (struct Attributes){ .multiprocessors = multiprocessors };
  return SUCCESS;
}
Return nvmlDeviceGetAttributes(void *handle, struct Attributes *out) { return nvmlDeviceGetAttributes_v2(handle, out); }

Return nvmlDeviceGetTotalEnergyConsumption(void *handle, u64 *out) {
  DEVICE(handle);
  return give_u64(find("nvmlDeviceGetTotalEnergyConsumption", device, " %d", device), device, out);
}
Return nvmlDeviceGetRemappedRows(void *handle, u32 *correctable, u32 *uncorrectable, u32 *pending, u32 *failed) {
  DEVICE(handle);
  Line *line = find("nvmlDeviceGetRemappedRows", device, " %d", device);
  Return code = code_of(line);
  if (code) return code;
  if (!correctable || !uncorrectable || !pending || !failed) return INVALID_ARGUMENT;
  char *at = line->values;
  *correctable = (u32)number(&at, device);
  *uncorrectable = (u32)number(&at, device);
  *pending = (u32)number(&at, device);
  *failed = (u32)number(&at, device);
  return SUCCESS;
}

struct FieldValue {
  u32 id, scope;
  long long time, latency;
  u32 type;
  Return code;
  union { double fraction; u32 number; int signed_number; u64 large; unsigned short small; } value;
};
Return nvmlDeviceGetFieldValues(void *handle, int count, struct FieldValue *fields) {
  DEVICE(handle);
  if (count < 1 || !fields) return INVALID_ARGUMENT;
  Line *all = find("nvmlDeviceGetFieldValues", device, " %d", device);
  if (all && code_of(all)) return code_of(all);
  for (struct FieldValue *field = fields; field < fields + count; field++) {
    /* A field that is not offered fails by itself; the call does not. */
    const char *part = field->scope == ~0U ? " all" : "";
    Line *line = find("nvmlDeviceGetFieldValues", device, " %d %u%s", device, field->id, part);
    field->code = code_of(line);
    if (field->code) continue;
    char *at = line->values;
    field->type = (u32)number(&at, device);
    u64 value = number(&at, device);
    if (*at == '+') value += strtoull(at + 1, NULL, 10) * line->asked++;
    switch (field->type) {
      case 0: field->value.fraction = (double)value; break;
      case 1: field->value.number = (u32)value; break;
      case 5: field->value.signed_number = (int)value; break;
      case 6: field->value.small = (unsigned short)value; break;
      default: field->value.large = value;
    }
  }
  return SUCCESS;
}
Return nvmlDeviceGetIndex(void *handle, u32 *out) {
  DEVICE(handle);
  Line *line = find("nvmlDeviceGetIndex", device, " %d", device);
  if (line && code_of(line)) return code_of(line);
  *out = device;
  return SUCCESS;
}

Return nvmlDeviceGetTemperature(void *handle, u32 sensor, u32 *out) {
  DEVICE(handle);
  return give_u32(find("nvmlDeviceGetTemperature", device, " %d %u", device, sensor), device, out);
}
struct Temperature { u32 version, sensor; int temperature; };
Return nvmlDeviceGetTemperatureV(void *handle, struct Temperature *out) {
  DEVICE(handle);
  if (!out) return INVALID_ARGUMENT;
  if (out->version != (sizeof *out | 1 << 24)) return ARGUMENT_VERSION_MISMATCH;
  return nvmlDeviceGetTemperature(handle, out->sensor, (u32 *)&out->temperature);
}
Return nvmlDeviceGetClockInfo(void *handle, u32 clock, u32 *out) {
  DEVICE(handle);
  return give_u32(find("nvmlDeviceGetClockInfo", device, " %d %u", device, clock), device, out);
}
Return nvmlDeviceGetTotalEccErrors(void *handle, u32 type, u32 counter, u64 *out) {
  DEVICE(handle);
  return give_u64(find("nvmlDeviceGetTotalEccErrors", device, " %d %u %u", device, type, counter), device, out);
}
Return nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, u64 *out) {
  DEVICE(handle);
  return give_u64(find("nvmlDeviceGetCurrentClocksEventReasons", device, " %d", device), device, out);
}
Return nvmlDeviceGetCurrentClocksEventReasons(void *handle, u64 *out) { return nvmlDeviceGetCurrentClocksThrottleReasons(handle, out); }

struct Utilization { u32 gpu, memory; };
Return nvmlDeviceGetUtilizationRates(void *handle, struct Utilization *out) {
  DEVICE(handle);
  Line *line = find("nvmlDeviceGetUtilizationRates", device, " %d", device);
  Return code = code_of(line);
  if (code) return code;
  char *at = line->values;
  out->gpu = (u32)number(&at, device);
  out->memory = (u32)number(&at, device);
  return SUCCESS;
}

struct Memory { u64 total, free, used; };
struct Memory2 { u32 version; u64 total, reserved, free, used; };
static Return memory(int device, struct Memory2 *out) {
  Line *line = find("nvmlDeviceGetMemoryInfo", device, " %d", device);
  Return code = code_of(line);
  if (code) return code;
  char *at = line->values;
  out->total = number(&at, device);
  out->reserved = number(&at, device);
  u64 free = number(&at, device);
  out->used = number(&at, device);
  /* What moves is `used`: the parts go on adding up to the total. */
  if (out->used + out->reserved > out->total) out->used = out->total - out->reserved;
  out->free = getenv("GOHM_PLAYER_MOVE") ? out->total - out->reserved - out->used : free;
  return SUCCESS;
}
Return nvmlDeviceGetMemoryInfo(void *handle, struct Memory *out) {
  DEVICE(handle);
  struct Memory2 full;
  Return code = memory(device, &full);
  if (code) return code;
  out->total = full.total, out->free = full.free, out->used = full.used + full.reserved;
  return SUCCESS;
}
Return nvmlDeviceGetMemoryInfo_v2(void *handle, struct Memory2 *out) {
  DEVICE(handle);
  if (out->version != (sizeof *out | 2 << 24)) return ARGUMENT_VERSION_MISMATCH;
  Line *line = find("nvmlDeviceGetMemoryInfo_v2", device, " %d", device);
  if (line && code_of(line)) return code_of(line);
  return memory(device, out);
}

struct Pci { char legacy[16]; u32 domain, bus, device, id, subsystem; char bus_id[32]; };
struct PciOld { char legacy[16]; u32 domain, bus, device, id, subsystem, reserved[4]; };
static Return pci(int device, struct Pci *out) {
  Line *line = find("nvmlDeviceGetPciInfo", device, " %d", device);
  Return code = code_of(line);
  if (code) return code;
  char *at = line->values;
  out->domain = (u32)number(&at, device);
  out->bus = (u32)number(&at, device);
  out->device = (u32)number(&at, device);
  out->id = (u32)number(&at, device);
  out->subsystem = (u32)number(&at, device);
  snprintf(out->legacy, sizeof out->legacy, "%04X:%02X:%02X.0", out->domain & 0xffff, out->bus & 0xff, out->device & 0xff);
  snprintf(out->bus_id, sizeof out->bus_id, "%08X:%02X:%02X.0", out->domain, out->bus, out->device);
  return SUCCESS;
}
Return nvmlDeviceGetPciInfo_v3(void *handle, struct Pci *out) { DEVICE(handle); return pci(device, out); }
Return nvmlDeviceGetPciInfo_v2(void *handle, struct PciOld *out) {
  DEVICE(handle);
  struct Pci full;
  Return code = pci(device, &full);
  if (code) return code;
  memcpy(out, &full, offsetof(struct PciOld, reserved));
  return SUCCESS;
}
Return nvmlDeviceGetPciInfo(void *handle, struct PciOld *out) { return nvmlDeviceGetPciInfo_v2(handle, out); }

/* ---- processes ---- */

static int items(const char *values) {
  int count = 0, inside = 0;
  for (; *values; values++) {
    if (*values == ' ') inside = 0;
    else if (!inside) inside = 1, count++;
  }
  return count;
}

static Return processes(const char *symbol, void *handle, u32 *count, char *out, int stride) {
  DEVICE(handle);
  if (!count) return INVALID_ARGUMENT;
  Line *line = find(symbol, device, " %d", device);
  Return code = code_of(line);
  if (line && *line->values == '!') { *count = strtoul(line->values + 1, NULL, 10); return code; }
  if (code) return code;
  u32 there = items(line->values);
  if (*count < there) { *count = there; return INSUFFICIENT_SIZE; }
  if (there && !out) return INVALID_ARGUMENT;
  char *at = line->values;
  for (u32 i = 0; i < there; i++, out += stride) {
    struct { u32 pid; u64 memory; u32 gpu, compute; u64 guarded; } process;
    process.pid = (u32)number(&at, device);
    process.memory = number(&at, device);
    process.gpu = (u32)number(&at, device);
    process.compute = (u32)number(&at, device);
    process.guarded = 0;
    memcpy(out, &process, stride);
  }
  *count = there;
  return SUCCESS;
}
/* A version of the list may fail by itself: "nvmlDeviceGetComputeRunningProcesses_v3 0 : 13". */
static Return list(const char *symbol, const char *version, void *handle, u32 *count, char *out, int stride) {
  DEVICE(handle);
  char key[96];
  snprintf(key, sizeof key, "%s%s", symbol, version);
  Line *line = find(key, device, " %d", device);
  if (line && code_of(line)) return code_of(line);
  return processes(symbol, handle, count, out, stride);
}
#define PROCESS_CALLS(symbol)                                                                                        \
  Return symbol(void *handle, u32 *count, char *out) { return processes(#symbol, handle, count, out, 16); }          \
  Return symbol##_v2(void *handle, u32 *count, char *out) { return list(#symbol, "_v2", handle, count, out, 24); }   \
  Return symbol##_v3(void *handle, u32 *count, char *out) { return list(#symbol, "_v3", handle, count, out, STRIDE_V3); }
PROCESS_CALLS(nvmlDeviceGetComputeRunningProcesses)
PROCESS_CALLS(nvmlDeviceGetGraphicsRunningProcesses)
PROCESS_CALLS(nvmlDeviceGetMPSComputeRunningProcesses)

struct Sample { u32 pid; u64 time; u32 sm, memory, encoder, decoder; };
Return nvmlDeviceGetProcessUtilization(void *handle, struct Sample *out, u32 *count, u64 after) {
  DEVICE(handle);
  if (!count) return INVALID_ARGUMENT;
  Line *line = find("nvmlDeviceGetProcessUtilization", device, " %d", device);
  Return code = code_of(line);
  if (code) return code;
  u32 there = items(line->values), given = 0;
  if (there == 0) return NOT_FOUND;
  if (!out || *count < there) { *count = there; return INSUFFICIENT_SIZE; }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  u64 time = now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
  char *at = line->values;
  for (u32 i = 0; i < there; i++) {
    struct Sample sample;
    sample.pid = (u32)number(&at, device);
    sample.time = time - number(&at, device);
    sample.sm = (u32)number(&at, device);
    sample.memory = (u32)number(&at, device);
    sample.encoder = (u32)number(&at, device);
    sample.decoder = (u32)number(&at, device);
    if (sample.time > after) out[given++] = sample;
  }
  *count = given;
  return given ? SUCCESS : NOT_FOUND;
}

/* ---- events ---- */

Return nvmlEventSetCreate(void **set) {
  SYSTEM;
  Line *line = find("nvmlEventSetCreate", -1, "");
  if (line && code_of(line)) return code_of(line);
  *set = &event_sets[event_set_count++ % 8];
  ((struct EventSet *)*set)->registered = 0;
  return SUCCESS;
}
Return nvmlEventSetFree(void *set) { SYSTEM; return set ? SUCCESS : INVALID_ARGUMENT; }
Return nvmlDeviceGetSupportedEventTypes(void *handle, u64 *types) {
  DEVICE(handle);
  return give_u64(find("nvmlDeviceGetSupportedEventTypes", device, " %d", device), device, types);
}
Return nvmlDeviceRegisterEvents(void *handle, u64 types, void *set) {
  DEVICE(handle);
  u64 offered;
  Return code = nvmlDeviceGetSupportedEventTypes(handle, &offered);
  if (code) return code;
  if (types & ~offered) return NOT_SUPPORTED;
  ((struct EventSet *)set)->registered |= 1ULL << device;
  return SUCCESS;
}
struct Event { void *device; u64 type, data; u32 gpu, compute; };
static Return event(struct EventSet *set, struct Event *out, int size) {
  SYSTEM;
  Line *line = find("nvmlEventSetWait", -1, "");
  if (line && code_of(line)) return code_of(line);
  u64 next = 0, serial;
  struct Event found = { 0 };
  for (int i = 0; i < control.count; i++) {
    if (sscanf(control.lines[i].key, "xid %llu", &serial) != 1 || serial <= xid_seen || (next && serial > next)) continue;
    u32 device = atoi(control.lines[i].code);
    if (device >= 64 || !(set->registered >> device & 1)) continue;
    next = serial;
    found = (struct Event){ &devices[device], 8, strtoull(control.lines[i].values, NULL, 10), ~0U, ~0U };
  }
  if (!next) return TIMEOUT;
  xid_seen = next;
  memcpy(out, &found, size);
  return SUCCESS;
}
Return nvmlEventSetWait(void *set, struct Event *out, u32 timeout) { (void)timeout; return event(set, out, 24); }
Return nvmlEventSetWait_v2(void *set, struct Event *out, u32 timeout) { (void)timeout; return event(set, out, sizeof(struct Event)); }

import { create, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../proto/gen/reflection_pb.js";

type ReflectionAnswer = ServerReflectionResponse["messageResponse"];

/** Duplex stream of requests and answers: the part of grpc-js's ServerDuplexStream that reflection uses. */
export interface ReflectionCall {
  on(event: "data", listener: (request: ServerReflectionRequest) => void): unknown;
  on(event: "end" | "close", listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  write(answer: ServerReflectionResponse, sent: () => void): unknown;
  end(): unknown;
}

/** Time without a request after which a call is ended. */
const idleMs = 60_000;

const notFound = 5;
const invalid = 3;

/** Answers the standard reflection service for files and everything they import. */
export class Reflection {
  readonly #services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  /** Full name of every message, enum, service, method, field and extension → its file. */
  readonly #symbols = new Map<string, DescFile>();
  /** Message type → number of each extension of it → its file. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();

  /** Cache: encoding a descriptor takes far longer than sending it. */
  readonly #encoded = new Map<DescFile, Uint8Array>();

  constructor(files: readonly DescFile[], services: readonly string[]) {
    this.#services = services;
    for (const file of files) this.#add(file);
  }

  #add(file: DescFile): void {
    const name = file.proto.name;
    if (this.#files.has(name)) return;
    this.#files.set(name, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const method of service.methods) this.#symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const held of file.enums) this.#symbols.set(held.typeName, file);
    for (const message of file.messages) this.#addMessage(message, file);
    for (const extension of file.extensions) {
      this.#symbols.set(extension.typeName, file);
      const numbers = this.#extensions.get(extension.extendee.typeName) ?? new Map<number, DescFile>();
      this.#extensions.set(extension.extendee.typeName, numbers.set(extension.number, file));
    }
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  #addMessage(message: DescMessage, file: DescFile): void {
    this.#symbols.set(message.typeName, file);
    for (const field of message.fields) this.#symbols.set(`${message.typeName}.${field.name}`, file);
    for (const held of message.nestedEnums) this.#symbols.set(held.typeName, file);
    for (const nested of message.nestedMessages) this.#addMessage(nested, file);
  }

  /** Answers one call of ServerReflectionInfo. The next request is read when the previous answer has been sent. */
  serve(call: ReflectionCall): void {
    const idle = setTimeout(() => call.end(), idleMs).unref();
    call.on("data", (request: ServerReflectionRequest) => {
      idle.refresh();
      call.pause();
      call.write(this.answer(request), () => call.resume());
    });
    call.on("end", () => call.end());
    call.on("close", () => clearTimeout(idle));
  }

  answer(request: ServerReflectionRequest): ServerReflectionResponse {
    return create(ServerReflectionResponseSchema, {
      validHost: request.host,
      originalRequest: request,
      messageResponse: this.#answer(request.messageRequest),
    });
  }

  #answer(request: ServerReflectionRequest["messageRequest"]): ReflectionAnswer {
    switch (request.case) {
      case "listServices":
        return init({
          case: "listServicesResponse",
          value: { service: this.#services.map((name) => ({ name })) },
        });
      case "fileByFilename":
        return this.#withImports(this.#files.get(request.value), `file "${request.value}"`);
      case "fileContainingSymbol":
        return this.#withImports(this.#symbols.get(request.value.replace(/^\./, "")), `symbol "${request.value}"`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = request.value;
        const file = this.#extensions.get(containingType)?.get(extensionNumber);
        return this.#withImports(file, `extension ${extensionNumber} of "${containingType}"`);
      }
      case "allExtensionNumbersOfType":
        return this.#numbers(request.value);
      case undefined:
        return failure(invalid, "the request is empty");
      default:
        return request satisfies never;
    }
  }

  /** Returns the file with everything it imports, so that one request is enough. */
  #withImports(file: DescFile | undefined, what: string): ReflectionAnswer {
    if (file === undefined) return failure(notFound, `${what} is not served here`);
    const files = new Set<DescFile>();
    const visit = (at: DescFile): void => {
      if (files.has(at)) return;
      files.add(at);
      for (const dependency of at.dependencies) visit(dependency);
    };
    visit(file);
    const fileDescriptorProto = [...files].map((at) => this.#encode(at));
    return init({ case: "fileDescriptorResponse", value: { fileDescriptorProto } });
  }

  #encode(file: DescFile): Uint8Array {
    const known = this.#encoded.get(file);
    if (known !== undefined) return known;
    const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, bytes);
    return bytes;
  }

  #numbers(type: string): ReflectionAnswer {
    if (!this.#symbols.has(type)) return failure(notFound, `type "${type}" is not served here`);
    const extensionNumber = [...(this.#extensions.get(type)?.keys() ?? [])];
    return init({ case: "allExtensionNumbersResponse", value: { baseTypeName: type, extensionNumber } });
  }
}

type Init = NonNullable<
  NonNullable<Parameters<typeof create<typeof ServerReflectionResponseSchema>>[1]>["messageResponse"]
>;

const init = (messageResponse: Init): ReflectionAnswer =>
  create(ServerReflectionResponseSchema, { messageResponse }).messageResponse;

const failure = (errorCode: number, errorMessage: string): ReflectionAnswer =>
  init({ case: "errorResponse", value: { errorCode, errorMessage } });

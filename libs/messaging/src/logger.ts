type Write = (fields: object, message: string) => void;

/** Where this library writes its log lines: fields first, then the message. A pino logger fits. */
export interface MessagingLogger {
  info: Write;
  warn: Write;
  error: Write;
}

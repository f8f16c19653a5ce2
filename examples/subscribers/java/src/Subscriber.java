import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Reads {@code assay.verdicts} and prints each file's report as one line. Built from the published JSON Schema alone. */
public final class Subscriber {
    private static final String TOPIC = "assay.verdicts";
    private static final String PREFIX = "ASSAY_KAFKA__";
    private static final String CHECKOUT = "../../../shared/assay/contracts/schemas";
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Subscriber() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, String> environment = System.getenv();
        Reports reports = new Reports(Path.of(environment.getOrDefault("SUBSCRIBER_SCHEMAS", CHECKOUT)));
        KafkaConsumer<String, byte[]> consumer =
                new KafkaConsumer<>(connection(environment), new StringDeserializer(), new ByteArrayDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(consumer, main)));
        try (consumer) {
            consumer.subscribe(List.of(TOPIC));
            while (true) {
                ConsumerRecords<String, byte[]> records = consumer.poll(Duration.ofSeconds(1));
                for (ConsumerRecord<String, byte[]> each : records) {
                    show(reports, each);
                }
                if (!records.isEmpty()) {
                    // After the lines were printed: at least once.
                    consumer.commitSync();
                }
            }
        } catch (WakeupException stopped) {
            Runtime.getRuntime().halt(0);
        }
    }

    /** Lets the consumer leave its group before the process ends. */
    private static void stop(KafkaConsumer<?, ?> consumer, Thread main) {
        consumer.wakeup();
        try {
            main.join(5000);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void show(Reports reports, ConsumerRecord<String, byte[]> record) {
        try {
            reports.lineOf(record).ifPresent(OUT::println);
        } catch (IOException error) {
            System.err.printf(
                    "passed over %s/%d/%d: %s%n", record.topic(), record.partition(), record.offset(), error.getMessage());
        }
    }

    private static Properties connection(Map<String, String> environment) {
        Properties found = new Properties();
        String protocol = environment.getOrDefault(PREFIX + "SECURITY_PROTOCOL", "PLAINTEXT");
        String mechanism = environment.getOrDefault(PREFIX + "SASL_MECHANISM", "PLAIN");
        found.put("bootstrap.servers", environment.get(PREFIX + "BOOTSTRAP_SERVERS"));
        found.put("security.protocol", protocol);
        found.put("group.id", environment.getOrDefault("SUBSCRIBER_GROUP", "example-subscriber-java"));
        found.put("auto.offset.reset", "earliest");
        found.put("enable.auto.commit", "false");
        if (protocol.startsWith("SASL")) {
            String module = mechanism.startsWith("SCRAM")
                    ? "org.apache.kafka.common.security.scram.ScramLoginModule"
                    : "org.apache.kafka.common.security.plain.PlainLoginModule";
            found.put("sasl.mechanism", mechanism);
            found.put(
                    "sasl.jaas.config",
                    "%s required username=%s password=%s;"
                            .formatted(
                                    module,
                                    quoted(environment.get(PREFIX + "SASL_USERNAME")),
                                    quoted(environment.get(PREFIX + "SASL_PASSWORD"))));
        }
        String authorities = environment.get(PREFIX + "SSL_CA_FILE");
        if (protocol.endsWith("SSL") && authorities != null) {
            found.put("ssl.truststore.type", "PEM");
            found.put("ssl.truststore.location", authorities);
        }
        return found;
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}

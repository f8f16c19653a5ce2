import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion.VersionFlag;
import com.networknt.schema.ValidationMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/** The latest report of each file, as far as they were read. */
final class Reports {
    private static final String TYPE = "assay.run.completed.v1";

    private final ObjectMapper json = new ObjectMapper().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
    private final Map<String, Integer> shown = new HashMap<>();
    private final JsonSchema schema;

    /** Reads the published schema in this folder. */
    Reports(Path schemas) throws IOException {
        JsonNode document = json.readTree(Files.readAllBytes(schemas.resolve(TYPE + ".json")));
        schema = JsonSchemaFactory.getInstance(VersionFlag.V202012).getSchema(document);
    }

    /** What to print, if it is news. Throws IOException where an event is not what its type promises. */
    Optional<String> lineOf(ConsumerRecord<String, byte[]> record) throws IOException {
        String fileId = record.key();
        if (record.value() == null || record.value().length == 0) {
            shown.remove(fileId);
            return Optional.of(fileId + "\tdeleted");
        }
        if (!TYPE.equals(header(record, "ce_type")) || header(record, "assay_redrive_group") != null) {
            return Optional.empty();
        }
        JsonNode document = json.readTree(record.value());
        Optional<ValidationMessage> wrong = schema.validate(document).stream().findFirst();
        if (wrong.isPresent()) {
            throw new IOException(wrong.get().getMessage());
        }
        RunCompleted event = json.treeToValue(document, RunCompleted.class);
        if (event.runNumber() <= shown.getOrDefault(fileId, 0)) {
            return Optional.empty();
        }
        shown.put(fileId, event.runNumber());
        Report report = event.report();
        String score = report.score() == null ? "-" : String.format(Locale.ROOT, "%.3f", report.score());
        String summary = report.summary().strip().replaceAll("\\s+", " ");
        return Optional.of(
                String.join("\t", fileId, Integer.toString(event.runNumber()), report.label(), score, summary));
    }

    private static String header(ConsumerRecord<?, ?> record, String name) {
        Header found = record.headers().lastHeader(name);
        return found == null || found.value() == null ? null : new String(found.value(), StandardCharsets.UTF_8);
    }
}

import com.fasterxml.jackson.annotation.JsonProperty;

/** The end of a run: the fields of {@code assay.run.completed.v1} that are used here. Others are ignored. */
record RunCompleted(@JsonProperty("run_number") int runNumber, Report report) {}

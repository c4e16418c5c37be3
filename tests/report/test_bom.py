import json
from dataclasses import replace

import pytest
from tests.report.example_record import HOSTILE, accepted_record, digest, example_record

from hauberk.core.lifecycle import Component
from hauberk.core.policy import Isolation
from hauberk.core.record import PACKAGES, RunRecord, Section, StepReport, StepState
from hauberk.report.bom import bill_of_materials, document


def _step(component: Component, **fields: object) -> StepReport:
    return replace(
        StepReport(component=component, state=StepState.DONE, summary=""),
        **fields,  # type: ignore[arg-type]
    )


def _record() -> RunRecord:
    model, test = digest("model"), digest("test")
    return RunRecord(
        project="loans",
        run_id="run-1",
        started=0.0,
        finished=10.0,
        exit_code=0,
        isolation=Isolation.FULL,
        steps=(
            _step(Component.ACQUISITION, outputs={"raw.csv": digest("raw")}),
            _step(Component.PREPARATION, outputs={"test.csv": test}),
            _step(
                Component.TRAINING,
                outputs={"model.joblib": model, "metrics.json": digest("metrics")},
            ),
            _step(
                Component.VALIDATION,
                inputs={"model.joblib": model, "test.csv": test},
                sections=(
                    Section(
                        title="Measured",
                        rows=(("accuracy", "0.9206 (bound >= 0.9)"), ("odds:sex", "0.02")),
                    ),
                ),
            ),
            _step(Component.MODEL_EXPORT, outputs={"hauberk/model.onnx": digest("onnx")}),
            _step(
                Component.PIPELINE,
                sections=(
                    Section(
                        title=PACKAGES, rows=(("NumPy", "2.0"), ("torch", "2.1+cpu"), ("", "1"))
                    ),
                ),
            ),
        ),
    )


def _named(record: RunRecord, kind: str) -> list[str]:
    return [item["name"] for item in document(record)["components"] if item["type"] == kind]


def test_models_data_and_packages_are_listed_with_their_kinds():
    assert _named(_record(), "machine-learning-model") == [
        "loans/model.joblib",
        "loans/hauberk/model.onnx",
    ]
    assert _named(_record(), "data") == ["raw.csv", "test.csv"]
    assert _named(_record(), "library") == ["numpy", "torch"]


def test_package_addresses_are_escaped():
    purls = [item["purl"] for item in document(_record())["components"] if "purl" in item]
    assert purls == ["pkg:pypi/numpy@2.0", "pkg:pypi/torch@2.1%2Bcpu"]


def test_a_folder_claims_no_hash_that_no_other_tool_could_compute():
    tree = digest("shards")
    step = _step(Component.ACQUISITION, outputs={"shards/": tree, "raw.csv": digest("raw")})
    folder, file = document(replace(_record(), steps=(step,)))["components"]
    assert "hashes" not in folder
    assert {"name": "hauberk:data:tree digest", "value": tree} in folder["properties"]
    assert file["hashes"] == [{"alg": "SHA-256", "content": digest("raw")[7:]}]


def test_the_card_says_what_the_sealed_test_set_gave():
    card = document(_record())["components"][0]["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "accuracy", "value": "0.9206", "slice": "sealed test set"},
        {"type": "odds:sex", "value": "0.02", "slice": "sealed test set"},
    ]
    assert card["considerations"]["fairnessAssessments"][0]["groupAtRisk"] == "sex"


def test_every_reference_leads_to_something_in_the_bill():
    for record in (_record(), example_record(), accepted_record()):
        bill = document(record)
        known = [item["bom-ref"] for item in bill["components"]]
        assert len(known) == len(set(known))
        places = {"project", *known}
        for entry in bill["dependencies"]:
            assert {entry["ref"], *entry["dependsOn"]} <= places
        for item in bill["components"]:
            for use in item.get("modelCard", {}).get("modelParameters", {}).get("datasets", []):
                assert use["ref"] in places


def test_the_same_run_gives_the_same_bytes_and_another_run_another_number():
    assert bill_of_materials(_record()) == bill_of_materials(_record())
    other = replace(_record(), run_id="run-2")
    assert document(other)["serialNumber"] != document(_record())["serialNumber"]


def test_hostile_names_stay_inside_their_strings():
    step = _step(Component.ACQUISITION, outputs={name: digest(name) for name in HOSTILE})
    text = bill_of_materials(replace(_record(), steps=(step,), project=HOSTILE[3]))
    assert text.isascii()
    assert "\\u001b" not in text
    assert len(json.loads(text)["components"]) == len(HOSTILE)


def test_the_bill_validates_against_the_published_schema():
    schema = pytest.importorskip("cyclonedx.schema", reason="the schemas come with cyclonedx")
    validation = pytest.importorskip("cyclonedx.validation.json")
    strict = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    for record in (_record(), example_record(), accepted_record()):
        assert strict.validate_str(bill_of_materials(record)) is None

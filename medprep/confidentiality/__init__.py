"""DICOM to DICOM without what tells who the patient is (PS3.15 Annex E)."""

"""A pump that is declared: its model, and a device called NAME."""

from __future__ import annotations

MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: pump}
spec:
  properties:
    - {name: speed, type: INT, accessMode: ReadWrite, minimum: "0", maximum: "100", unit: "%"}
    - {name: flow, type: DOUBLE, accessMode: ReadOnly, unit: l/min}
"""
DEVICE = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: NAME, labels: {description: in-the-cellar}}
spec: {deviceModelRef: {name: pump}, nodeName: edge-1}
"""

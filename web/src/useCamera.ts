/** State of the webcam: which one runs, and how its picture is shown. */

import { useCallback, useEffect, useRef, useState, type RefObject } from "react";

import { cameras, closeCamera, openCamera, photoFromVideo, type Facing } from "./capture";
import { Problem } from "./problems";

export interface Camera {
  devices: MediaDeviceInfo[];
  deviceId: string;
  /** Known of a phone's cameras. */
  facing?: Facing;
  mirror: boolean;
  live: boolean;
}

export interface CameraControl {
  camera?: Camera;
  video: RefObject<HTMLVideoElement | undefined>;
  start(wanted?: { deviceId?: string; facing?: Facing }): Promise<void>;
  stop(): void;
  setMirror(mirror: boolean): void;
  setLive(live: boolean): void;
  /** Take the frame that is shown now, if there has been one. */
  take(): ImageBitmap | undefined;
}

export function useCamera(fail: (error: unknown) => void, clear: () => void): CameraControl {
  const [camera, setCamera] = useState<Camera>();
  const video = useRef<HTMLVideoElement>(undefined);
  const mirror = useRef(true);
  const calls = useRef(0);

  const stop = useCallback(() => {
    calls.current++; // whoever still waits for a permission gets no camera any more
    const stream = video.current?.srcObject;
    if (stream instanceof MediaStream) closeCamera(stream);
    video.current = undefined;
    setCamera(undefined);
  }, []);

  const start = useCallback<CameraControl["start"]>(
    async (wanted = {}) => {
      stop();
      clear();
      const call = calls.current;
      try {
        const stream = await openCamera(wanted);
        if (call !== calls.current) return closeCamera(stream);
        const track = stream.getVideoTracks()[0];
        const { facingMode, deviceId = "" } = track.getSettings();
        mirror.current = facingMode !== "environment";
        const player = document.createElement("video");
        player.muted = true;
        player.playsInline = true;
        player.srcObject = stream;
        video.current = player;
        track.onended = () => {
          if (video.current !== player) return;
          stop();
          fail(new Problem("camera-lost"));
        };
        // Not awaited: it waits for the first frame, and a camera may never send one. Whoever wants
        // frames finds out.
        player.play().catch(() => {});
        const devices = await cameras();
        if (video.current !== player) return;
        setCamera({
          devices,
          deviceId,
          facing: facingMode as Facing | undefined,
          mirror: mirror.current,
          live: true,
        });
      } catch (error) {
        if (call !== calls.current) return;
        stop();
        fail(error);
      }
    },
    [fail, clear, stop],
  );

  // A camera that is plugged in later can be picked too.
  useEffect(() => {
    const { mediaDevices } = navigator;
    const refresh = async () => {
      const devices = await cameras();
      setCamera((state) => state && { ...state, devices });
    };
    mediaDevices?.addEventListener("devicechange", refresh);
    return () => mediaDevices?.removeEventListener("devicechange", refresh);
  }, []);

  return {
    camera,
    video,
    start,
    stop,
    setMirror(value) {
      mirror.current = value;
      setCamera((state) => state && { ...state, mirror: value });
    },
    setLive: (live) => setCamera((state) => state && { ...state, live }),
    take: useCallback(
      () =>
        video.current?.videoWidth ? photoFromVideo(video.current, mirror.current) : undefined,
      [],
    ),
  };
}
